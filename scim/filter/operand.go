package filter

import (
	"encoding/base64"
	"encoding/json"
	"strings"

	"github.com/sallyport-id/sallyport/schema"
)

// operand checks that operator and value suit the attribute (see the table in
// the package comment) and returns the comparison key of the value.
func operand(ref schema.Ref, op Op, v Value, p schema.Policy) (string, error) {
	a := ref.Target()
	switch a.Type {
	case schema.String, schema.Reference:
		return textKey(ref, op, v)
	case schema.Boolean:
		return booleanKey(ref, op, v, p)
	case schema.Integer, schema.Decimal:
		if substring(op) {
			return "", unsuited(ref, "eq, ne, gt, ge, lt, le and pr")
		}
		if v.Kind != Number {
			return "", mistyped(ref, "a number without quotes")
		}
		return keyOf(ref, json.Number(v.Text), "a number in the range of its type")
	case schema.DateTime:
		if substring(op) {
			return "", unsuited(ref, "eq, ne, gt, ge, lt, le and pr")
		}
		if v.Kind != String {
			return "", mistyped(ref, dateTimeForm)
		}
		return keyOf(ref, v.Text, dateTimeForm)
	case schema.Binary:
		if op != Eq && op != Ne {
			return "", unsuited(ref, "eq, ne and pr")
		}
		if v.Kind != String || !binary(v.Text) {
			return "", mistyped(ref, binaryForm)
		}
		return keyOf(ref, v.Text, binaryForm)
	default:
		return "", unsuited(ref, "pr")
	}
}

const (
	dateTimeForm = `a date and time with zone in double quotes, such as "2011-05-13T04:42:34Z"`
	binaryForm   = "base64 text with padding in double quotes"
)

// textKey folds the operand as the stored values are (row 32 of the
// checklist). A part of a text is folded but not checked: `sw "https:"` is no
// reference, yet a good start of one.
func textKey(ref schema.Ref, op Op, v Value) (string, error) {
	if v.Kind != String {
		return "", mistyped(ref, "a string in double quotes")
	}
	a := ref.Target()
	if op == Eq || op == Ne {
		if key, ok := a.Key(v.Text); ok {
			return key, nil
		}
	}
	if a.CaseExact {
		return v.Text, nil
	}
	return schema.Fold(v.Text), nil
}

func booleanKey(ref schema.Ref, op Op, v Value, p schema.Policy) (string, error) {
	if op != Eq && op != Ne {
		return "", unsuited(ref, "eq, ne and pr")
	}
	text := v.Text
	if v.Kind == String && p.StringBooleans {
		text = strings.ToLower(text)
	} else if v.Kind != Bool {
		return "", mistyped(ref, "true or false without quotes")
	}
	if text != "true" && text != "false" {
		return "", mistyped(ref, "true or false")
	}
	return keyOf(ref, text == "true", "true or false")
}

// keyOf returns the comparison key of a value of the right JSON kind.
func keyOf(ref schema.Ref, v any, want string) (string, error) {
	key, ok := ref.Target().Key(v)
	if !ok {
		return "", mistyped(ref, want)
	}
	return key, nil
}

// binary says whether s is base64 or base64url with padding (RFC 7643 section
// 2.3.6).
func binary(s string) bool {
	encoding := base64.StdEncoding
	if strings.ContainsAny(s, "-_") {
		encoding = base64.URLEncoding
	}
	_, err := encoding.Strict().DecodeString(s)
	return err == nil && !strings.ContainsAny(s, "\r\n")
}

func substring(op Op) bool { return op == Co || op == Sw || op == Ew }

func unsuited(ref schema.Ref, ops string) error {
	return refuse(ref.String(), "%s is of type %s and can be compared by %s only.", string(ref.Target().Type), ops)
}

func mistyped(ref schema.Ref, want string) error {
	return refuse(ref.String(), "%s is of type %s and must be compared with %s.", string(ref.Target().Type), want)
}
