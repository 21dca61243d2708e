package schema

type tables struct{}
