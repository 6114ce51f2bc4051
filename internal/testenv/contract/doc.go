// Package contract proves the wire contract of bty-web from outside: it talks HTTP only and knows
// nothing of how a server is made, so it can be held against any server that claims to speak it.
//
//	make contract                                    # against a bty-web that it builds and starts
//	make contract URL=http://host:8080 PASSWORD=...  # against a server that runs
//
// The server must reach the images of the test: BTY_CONTRACT_ORIGIN is the address, host:port, at
// which the test serves them and the server finds them; loopback unless told. A server that is to
// show how it uses a cache has its cache set to http://<that address>/cache.
//
// The cases stand in the order of the contract's sections; TestPoint13 holds its list of what is
// easily missed, each under its number. Whatever a case makes on the server, it removes. Boot files are
// removed at the end, where the server can: the old contract has no route for it.
package contract
