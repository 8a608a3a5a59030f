#!/usr/bin/env bash
situ finish
