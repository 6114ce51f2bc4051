// Package pages holds the tests of the pages: the built bty-web, looked at and used in a real
// Chromium. A page joins them with one line in the table of TestPages.
package pages
