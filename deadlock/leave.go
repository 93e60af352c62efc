package deadlock

import "github.com/concordat-dev/concordat/locks"

// Leave says that an owner has given way already and is about to release all
// that it holds and waits for. Break then finds the cycles that are left without
// it, as if it were the first victim. Call it between the last Add and Break. An
// owner that was not added is ignored.
func (g *Graph) Leave(o locks.Owner) {
	if v, ok := g.index[o]; ok {
		g.leaving = append(g.leaving, v)
	}
}

// release takes those out of their queues who leave.
func (g *Graph) release() {
	for _, v := range g.leaving {
		if g.vertices[v].gone {
			continue
		}
		g.vertices[v].gone = true
		if g.vertices[v].open {
			g.close(v)
		}
		g.unlink(v)
		g.settle()
	}
}
