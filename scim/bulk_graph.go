package scim

import "slices"

// circlesOf groups the nodes of a directed graph, given as the list of
// successors of each, into its strongly connected components: nodes that reach
// each other. It returns the component of each node, and the nodes of each
// component in ascending order. It is Tarjan's algorithm, with a stack of its
// own since the graph comes from a client.
func circlesOf(edges [][]int) (component []int, circles [][]int) {
	n := len(edges)
	g := &circleFinder{
		edges:     edges,
		index:     make([]int, n),
		low:       make([]int, n),
		component: make([]int, n),
	}
	for v := range n {
		g.component[v] = -1
	}
	for v := range n {
		if g.index[v] == 0 {
			g.visit(v)
		}
	}
	return g.component, g.circles
}

// circleFinder is the state of the search. index counts from 1; 0 is unseen.
type circleFinder struct {
	edges      [][]int
	index, low []int
	component  []int
	circles    [][]int
	open       []int // seen, not yet in a component
	counter    int
}

// frame is a node at work and the next of its edges.
type frame struct{ node, edge int }

func (g *circleFinder) enter(v int) frame {
	g.counter++
	g.index[v], g.low[v] = g.counter, g.counter
	g.open = append(g.open, v)
	return frame{node: v}
}

func (g *circleFinder) visit(start int) {
	work := []frame{g.enter(start)}
	for len(work) > 0 {
		top := &work[len(work)-1]
		v := top.node
		if top.edge < len(g.edges[v]) {
			w := g.edges[v][top.edge]
			top.edge++
			switch {
			case g.index[w] == 0:
				work = append(work, g.enter(w))
			case g.component[w] < 0:
				g.low[v] = min(g.low[v], g.index[w])
			}
			continue
		}
		work = work[:len(work)-1]
		if len(work) > 0 {
			parent := work[len(work)-1].node
			g.low[parent] = min(g.low[parent], g.low[v])
		}
		if g.low[v] == g.index[v] {
			g.close(v)
		}
	}
}

// close takes the component whose first node is v off the stack.
func (g *circleFinder) close(v int) {
	at := slices.Index(g.open, v)
	circle := slices.Clone(g.open[at:])
	g.open = g.open[:at]
	for _, w := range circle {
		g.component[w] = len(g.circles)
	}
	slices.Sort(circle)
	g.circles = append(g.circles, circle)
}
