// Package guide runs the commands that the documents show, in the order in which they are shown.
//
// Every fenced block of shell commands says what becomes of it, in words that a renderer of
// Markdown leaves out:
//
//	```sh run=api                    runs in the world "api"; all blocks of one document and one
//	                                 world are one shell, which ends at the first command that fails
//	```sh not run: needs a registry  is shown only, and why
//	```text answer                   what the block before it prints; ... stands for anything
//	```toml file=/etc/bty/bty.toml run=host
//	                                 is written to that file
//	```text snippet=kea              is what the Netboot page shows, for the appliance 192.0.2.5
//
// The tests of a world run what the documents have for it. TestEveryBlockIsMarked of the documents sees to it that
// no block is left out, and that what is not run is counted in docs/tests.md.
package guide
