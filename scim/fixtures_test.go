package scim_test

import (
	"io/fs"
	"testing/fstest"
)

// deviceSchemas defines a type with every data type and characteristic that a
// file may give (RFC 7643 section 7).
func deviceSchemas() fs.FS {
	return fstest.MapFS{"device.json": {Data: []byte(`{
"id":"urn:example:params:scim:schemas:Device","name":"Device","description":"A device","attributes":[
 {"name":"serial","type":"string","multiValued":false,"required":true,"caseExact":false,"mutability":"readWrite","returned":"default","uniqueness":"server","description":"Serial number"},
 {"name":"size","type":"integer","multiValued":false,"required":false,"mutability":"readWrite","returned":"default","uniqueness":"none","description":"Size"},
 {"name":"weight","type":"decimal","multiValued":false,"required":false,"mutability":"readWrite","returned":"default","uniqueness":"none","description":"Weight"},
 {"name":"seen","type":"dateTime","multiValued":false,"required":false,"mutability":"readWrite","returned":"default","uniqueness":"none","description":"Last seen"},
 {"name":"key","type":"binary","multiValued":false,"required":false,"caseExact":true,"mutability":"readWrite","returned":"default","uniqueness":"none","description":"Key"},
 {"name":"home","type":"reference","multiValued":false,"required":false,"caseExact":true,"mutability":"readWrite","returned":"default","uniqueness":"none","referenceTypes":["external"],"description":"Home"},
 {"name":"flag","type":"boolean","multiValued":false,"required":false,"mutability":"readWrite","returned":"default","uniqueness":"none","description":"Flag"},
 {"name":"tags","type":"string","multiValued":true,"required":false,"caseExact":false,"mutability":"readWrite","returned":"default","uniqueness":"none","description":"Tags"},
 {"name":"model","type":"string","multiValued":false,"required":false,"caseExact":true,"mutability":"immutable","returned":"default","uniqueness":"none","description":"Model"},
 {"name":"note","type":"string","multiValued":false,"required":false,"caseExact":false,"mutability":"readWrite","returned":"request","uniqueness":"none","description":"Note"},
 {"name":"ports","type":"complex","multiValued":true,"required":false,"mutability":"readWrite","returned":"default","uniqueness":"none","description":"Ports","subAttributes":[
  {"name":"value","type":"string","multiValued":false,"required":false,"caseExact":true,"mutability":"readWrite","returned":"default","uniqueness":"none","description":"Name"},
  {"name":"speed","type":"integer","multiValued":false,"required":false,"mutability":"readWrite","returned":"default","uniqueness":"none","description":"Speed"}]}
]}`)}}
}

func deviceTypes() fs.FS {
	return fstest.MapFS{"device.json": {Data: []byte(`{"id":"Device","name":"Device","endpoint":"/Devices",
"description":"A device","schema":"urn:example:params:scim:schemas:Device"}`)}}
}
