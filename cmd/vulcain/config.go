package main

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// config is what /etc/vulcain/vulcain.conf says.
type config struct {
	listen  string // ecoute: address of the web server
	company string // societe: name shown on the pages
	dsn     string // base: connection URL of PostgreSQL
	log     string // journal: path of the log file
}

// readConfig reads "key = value" lines; '#' starts a comment line.
func readConfig(r io.Reader) (config, error) {
	c := config{listen: ":8080", log: "/var/log/vulcain/vulcain.log"}
	fields := map[string]*string{"ecoute": &c.listen, "societe": &c.company, "base": &c.dsn, "journal": &c.log}
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		key, value, found := strings.Cut(line, "=")
		field := fields[strings.TrimSpace(key)]
		if !found || field == nil {
			return config{}, fmt.Errorf("ligne %d : %q n’est pas un réglage connu", n, line)
		}
		*field = strings.TrimSpace(value)
	}
	if err := lines.Err(); err != nil {
		return config{}, err
	}
	if c.dsn == "" {
		return config{}, fmt.Errorf("le réglage « base » manque")
	}
	return c, nil
}
