// Command sallyport keeps a directory of users and groups, serves it over SCIM
// 2.0, and administers it.
//
// Each command is a struct that package kong fills, in a file named after it.
// A command decodes its flags, calls the service that the server calls too,
// and prints: results on standard output, what is said to a person on standard
// error. With --json the result is JSON. Commands open the database
// themselves, so they work beside running servers and without one.
//
// Exit codes: 0 done, 1 not done, 2 wrong usage.
package main
