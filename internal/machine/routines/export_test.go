package routines

// IssueOne issues one step and stores its result.
func (r *Routine) IssueOne(step Step) error {
	steps := r.Steps(1)
	steps[0] = step
	return r.IssueAll(steps)
}
