package kafka

// Waiting is how many records of a partition are in memory and not delivered. There must be one topic.
func (g *Ingress) Waiting(partition int32) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, r := range g.readers {
		if r.partition == partition {
			r.mu.Lock()
			defer r.mu.Unlock()
			return len(r.waiting)
		}
	}
	return -1
}
