package delivery_test

import (
	"testing"

	"github.com/sallyport-id/sallyport/validation/delivery"
)

// Making the providers is part of every start of the program.
func BenchmarkNew(b *testing.B) {
	for b.Loop() {
		p, err := delivery.New(delivery.Config{Service: "x"})
		if err != nil {
			b.Fatal(err)
		}
		if err := p.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParsePhone(b *testing.B) {
	for b.Loop() {
		if _, err := delivery.ParsePhone("+15125550100"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseEmail(b *testing.B) {
	for b.Loop() {
		if _, err := delivery.ParseEmail("dr.veil@sainteanne.com"); err != nil {
			b.Fatal(err)
		}
	}
}
