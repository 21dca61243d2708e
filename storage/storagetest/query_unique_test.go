package storagetest_test

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim"
)

// TestCustomUniqueness: row 31: an attribute of a custom type with uniqueness
// "server" is unique on create and on change, and free again after either.
func TestCustomUniqueness(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, d *directory) {
		first := d.record(t, d.sensor, `{"serial":"A"}`)
		d.insert(t, d.sensor, first)
		wantConflict(t, "create with a taken serial", d.Insert(t.Context(), d.sensor, d.record(t, d.sensor, `{"serial":"A"}`)))
		second := d.record(t, d.sensor, `{"serial":"a"}`) // case-exact: another value
		d.insert(t, d.sensor, second)
		if n, err := d.Count(t.Context(), d.sensor); err != nil || n != 2 {
			t.Errorf("Count = %d, %v, want 2: the refused one must leave nothing", n, err)
		}

		wantConflict(t, "change to a taken serial", d.change(t, second, "A"))
		if got := d.list(t, d.sensor, `serial eq "a"`); len(got.Records) != 1 || got.Records[0].Version != 1 {
			t.Errorf("after the refused change: %+v", got.Records)
		}
		if err := d.change(t, first, strings.Repeat("long ", 1000)); err != nil {
			t.Fatal(err)
		}
		if err := d.change(t, second, "A"); err != nil {
			t.Errorf("take the serial that was given up: %v", err)
		}
		wantConflict(t, "a taken long serial", d.Insert(t.Context(), d.sensor,
			d.record(t, d.sensor, `{"serial":"`+strings.Repeat("long ", 1000)+`"}`)))
		if err := d.Delete(t.Context(), d.sensor, second.ID); err != nil {
			t.Fatal(err)
		}
		d.add(t, d.sensor, `{"serial":"A"}`)
		d.add(t, d.sensor, `{"label":"none"}`)
		d.add(t, d.sensor, `{"label":"none"}`)
	})
}

// TestCustomUniquenessRace: of many that take one value at once, one has it.
func TestCustomUniquenessRace(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, d *directory) {
		var records []*scim.Record
		for range 20 {
			records = append(records, d.record(t, d.sensor, `{"serial":"one"}`))
		}
		var won atomic.Int32
		var all sync.WaitGroup
		for _, r := range records {
			all.Go(func() {
				err := d.Insert(t.Context(), d.sensor, r)
				if err == nil {
					won.Add(1)
					return
				}
				wantConflict(t, "one of many", err)
			})
		}
		all.Wait()
		if won.Load() != 1 {
			t.Errorf("%d writers got the serial, want one", won.Load())
		}
		if got := ids(d.list(t, d.sensor, "")); len(got) != 1 {
			t.Errorf("sensors: %v, want one", got)
		}
	})
}

// change gives a sensor another serial.
func (d *directory) change(t *testing.T, r *scim.Record, serial string) error {
	t.Helper()
	next := *r
	next.Version++
	next.Object = schema.Object{"id": r.ID, "serial": serial}
	d.sensor.SetSchemas(next.Object)
	next.Doc = d.sensor.Encode(next.Object)
	err := d.Update(t.Context(), d.sensor, &next)
	if err == nil {
		*r = next
	}
	return err
}

func wantConflict(t *testing.T, what string, err error) {
	t.Helper()
	conflict, ok := errors.AsType[*scim.ConflictError](err)
	if !ok {
		t.Errorf("%s: %v, want a ConflictError", what, err)
		return
	}
	if diff := cmp.Diff("serial", conflict.Attribute); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}
