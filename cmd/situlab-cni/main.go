// Command situlab-cni is situlab's CNI plugin as an executable, for any CNI
// runtime. In: CNI_* variables and a configuration on standard input. Out: a
// result or an error with its code on standard output. See package plugin.
package main

import "github.com/situlab/situlab/labnet/cable/plugin"

func main() { plugin.Main() }
