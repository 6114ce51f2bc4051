// Command tiny stands for a daemon where only its file matters.
package main

func main() {}
