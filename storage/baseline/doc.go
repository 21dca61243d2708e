// Package baseline reads and writes the tables of a directory with the least
// code that could do the job: database/sql and one statement a request, no
// rules, no audit of its own, no caches. `sallyport bench` measures the server
// against it, so nothing here may be cleverer or safer than it must be.
//
// It lives below storage because only storage may know SQL and its drivers. No
// other program than bench may use it: it checks nothing.
package baseline
