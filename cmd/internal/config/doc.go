// Package config holds every setting of Sallyport in one struct of plain
// structs and reads it: defaults, then a YAML file, then the environment.
//
//	Default() -> file (--config, unknown keys are faults) -> SALLYPORT_… -> flags -> Validate
//
// Each setting has one key, written with dots in the file
// ("scim.default_profile") and with underscores in the environment
// (SALLYPORT_SCIM_DEFAULT_PROFILE); a tag env gives a shorter variable
// (SALLYPORT_SMTP_URL). A secret, and what has a tag file, may also be read
// from a file: key "database_url_file", variable SALLYPORT_DATABASE_URL_FILE. Lists are
// separated by commas in the environment. All faults are reported at once,
// each with its key.
//
// The package decides nothing about what settings mean; the server does. It
// imports nothing of ours.
package config
