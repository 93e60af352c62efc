package queue

// Jobs is how many jobs are remembered.
func (f *Fair[K, T]) Jobs() int { return len(f.jobs) }
