// Package schema holds resource types, attributes with their characteristics
// (RFC 7643) and the document model: reading, checking, encoding and
// projecting resources. It knows nothing of HTTP, filters or storage.
package schema
