package functions

// Migrate lets a type read states that an earlier version of the program wrote and that do not decode into an S any more: from gets the
// stored bytes and returns the state that they stand for. Usually it decodes them into what S was, with [Decode], and converts that. An
// error says that they are of another version: of several migrations each is tried, in the order in which they were made, and only once
// the bytes did not decode as they are. Like an operation it does no I/O, and it must return the same for the same bytes: it is run
// whenever the state is read, by operations and walks, until an operation changes the instance and the state is written in its new form.
//
// Which states decode as they are? A field that was added is zero. Of a field that was removed, or got another name, the bytes are
// skipped, and gone with the next change of the instance; so is what an array has beyond its new length. To keep the values of a renamed
// field, name the old field in its tag. All else has to be there in full. A number decodes into any type of numbers that has its value
// (so 2^53+1 is no float64, 0.1 no float32; nor does a float decode into an integer). Nil is nil, and no zero of a type without a nil,
// but for a field that is left out where it is empty. All other changes of a type do not decode where the two are told apart by their
// encoding: a time, which is encoded as text, is what it was to a string; a struct may become a map, and a slice an array, which is
// cut. What a type with codec methods wrote is for them to read. No migration is asked about what decodes.
//
// Make migrations before engine.Open, next to the operations. Without one that reads them, the instances can still be deleted; see
// [Delete]. All other operations on them fail with [ErrBadState], but [Type.Exists], which says that they exist, and [Create], which
// does too, with [ErrExists]. A transaction that deletes an instance and creates it replaces it.
func Migrate[S any](t *Type[S], from func(old []byte) (S, error)) {
	if from == nil {
		t.info().Migrate(nil)
		return
	}
	t.info().Migrate(func(old []byte) (any, error) {
		state, err := from(old)
		if err != nil {
			return nil, err
		}
		return &state, nil
	})
}
