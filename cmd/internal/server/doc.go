// Package server assembles Sallyport and runs it. It is the only place that
// knows every part: storage, key ring, schemas, the SCIM service and the HTTP
// front are made here and handed to each other here.
//
//	config ─> Open ─> Directory: database, keys, schemas, SCIM service      (every command)
//	             └──> New ─> Server: routes, middleware, listener ─> Run ─> Close   (serve)
//
// A Directory is what a command needs to work on the data while servers run; a
// Server is a Directory with a front. Rules and protocols are not here: they
// stand in the packages that are wired.
//
// Every request passes observe (observe.go), which gives it an id, security
// headers, a trace span, metrics and one log line, and turns a panic into a
// 500. Routes of protocols register themselves with their own authentication.
package server
