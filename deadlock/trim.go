package deadlock

// trim closes every vertex that has no way in and another way out.
func (g *Graph) trim() {
	for v := range g.vertices {
		g.doubt(int32(v))
	}
	for n := range g.locks {
		g.ends(int32(n))
	}
	g.settle()
}

// settle closes the doubtful vertices that can be on no direct cycle, until
// there are none.
func (g *Graph) settle() {
	for len(g.doubtful) > 0 {
		v := g.doubtful[len(g.doubtful)-1]
		g.doubtful = g.doubtful[:len(g.doubtful)-1]
		g.vertices[v].doubtful = false
		if g.vertices[v].open && !g.passable(v) {
			g.close(v)
		}
	}
}

func (g *Graph) doubt(v int32) {
	if vx := &g.vertices[v]; vx.open && !vx.doubtful {
		vx.doubtful = true
		g.doubtful = append(g.doubtful, v)
	}
}

// passable says whether v has a way in and a way out that is another place.
func (g *Graph) passable(v int32) bool {
	ins, outs, both := 0, 0, 0
	for p := g.vertices[v].first; p != none; p = g.places[p].next {
		g.steps++
		pl := &g.places[p]
		if pl.in {
			ins++
		}
		if pl.out {
			outs++
		}
		if pl.in && pl.out {
			both++
		}
	}
	return ins > 0 && outs > 0 && (ins > 1 || outs > 1 || both == 0)
}

// close makes v invisible to searches. It stays in its queues.
func (g *Graph) close(v int32) {
	g.vertices[v].open = false
	for p := g.vertices[v].first; p != none; p = g.places[p].next {
		g.steps++
		at := g.at(p)
		g.hide(p, at)
		if g.levels[at].head == none {
			g.closeLevel(at)
		}
		g.ends(g.levels[at].lock)
	}
}

// hide takes p off the open places of its level.
func (g *Graph) hide(p, at int32) {
	left, right := g.places[p].left, g.places[p].right
	if left == none {
		g.levels[at].head = right
	} else {
		g.places[left].right = right
	}
	if right == none {
		g.levels[at].tail = left
	} else {
		g.places[right].left = left
	}
}

// closeLevel takes a level off the levels with open places.
func (g *Graph) closeLevel(at int32) {
	lv := &g.levels[at]
	lk := &g.locks[lv.lock]
	if lv.openBelow == none {
		lk.bottom = lv.openAbove
	} else {
		g.levels[lv.openBelow].openAbove = lv.openAbove
	}
	if lv.openAbove == none {
		lk.top = lv.openBelow
	} else {
		g.levels[lv.openAbove].openBelow = lv.openBelow
	}
}

// ends tells the places at the two ends of a lock which way they have lost.
func (g *Graph) ends(n int32) {
	bottom, top := g.locks[n].bottom, g.locks[n].top
	if bottom == none {
		return
	}
	if !g.levels[bottom].lost {
		g.loseOut(bottom)
	}
	if !g.levels[top].topped {
		g.loseIn(top)
	}
	g.loseSelf(bottom)
}

// loseSelf handles an upgrade that has nothing below but its own shared hold.
func (g *Graph) loseSelf(bottom int32) {
	lv := &g.levels[bottom]
	if lv.head != lv.tail || lv.openAbove == none {
		return
	}
	p := g.levels[lv.openAbove].head
	if g.places[p].vertex == g.places[lv.head].vertex && g.places[p].out {
		g.places[p].out = false
		g.doubt(g.places[p].vertex)
	}
}

func (g *Graph) loseOut(at int32) {
	g.levels[at].lost = true
	for p := g.levels[at].head; p != none; p = g.places[p].right {
		g.steps++
		if g.places[p].out {
			g.places[p].out = false
			g.doubt(g.places[p].vertex)
		}
	}
}

func (g *Graph) loseIn(at int32) {
	g.levels[at].topped = true
	for p := g.levels[at].head; p != none; p = g.places[p].right {
		g.steps++
		if g.places[p].in {
			g.places[p].in = false
			g.doubt(g.places[p].vertex)
		}
	}
}
