package scim

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestCirclesOf compares with the definition: two nodes are in one circle if
// and only if each reaches the other.
func TestCirclesOf(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 12).Draw(t, "n")
		edges := make([][]int, n)
		reach := make([][]bool, n)
		for v := range n {
			reach[v] = make([]bool, n)
			reach[v][v] = true
			edges[v] = rapid.SliceOfN(rapid.IntRange(0, max(n-1, 0)), 0, 3).Draw(t, "edges")
			for _, w := range edges[v] {
				reach[v][w] = true
			}
		}
		for k := range n {
			for i := range n {
				for j := range n {
					reach[i][j] = reach[i][j] || reach[i][k] && reach[k][j]
				}
			}
		}
		component, circles := circlesOf(edges)
		for i := range n {
			for j := range n {
				if same, want := component[i] == component[j], reach[i][j] && reach[j][i]; same != want {
					t.Fatalf("%v: %d and %d in one circle = %v, want %v", edges, i, j, same, want)
				}
			}
			if !slices.Contains(circles[component[i]], i) {
				t.Fatalf("%v: circle of %d is %v", edges, i, circles[component[i]])
			}
		}
		total := 0
		for _, circle := range circles {
			total += len(circle)
			if !slices.IsSorted(circle) {
				t.Fatalf("%v: circle %v is not in order", edges, circle)
			}
		}
		if total != n {
			t.Fatalf("%v: circles hold %d of %d nodes", edges, total, n)
		}
	})
}

// A graph of a client must not exhaust the stack.
func TestCirclesOfLongChain(t *testing.T) {
	t.Parallel()
	const n = 200_000
	edges := make([][]int, n)
	for v := range n {
		edges[v] = []int{(v + 1) % n}
	}
	if _, circles := circlesOf(edges); len(circles) != 1 || len(circles[0]) != n {
		t.Errorf("%d circles, want one", len(circles))
	}
}
