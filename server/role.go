package server

import "fmt"

// Role is what somebody may do. Each role may do what those before it may.
type Role uint8

// The roles.
const (
	Nobody   Role = iota // nothing but to ask whether the server is alive
	Reader               // ask questions, look up requests, walk instances, and look at what goes on inside
	Caller               // call operations that change something, and run coordinator functions
	Operator             // decide about sagas, cancel what is under way, take backups, and profiles of the process
)

var roleNames = [...]string{"nobody", "reader", "caller", "operator"}

// String returns the role's name in lower case.
func (r Role) String() string {
	if int(r) < len(roleNames) {
		return roleNames[r]
	}
	return fmt.Sprintf("Role(%d)", r)
}

// ParseRole returns the role of a name: reader, caller or operator.
func ParseRole(name string) (Role, error) {
	for r := Reader; r <= Operator; r++ {
		if roleNames[r] == name {
			return r, nil
		}
	}
	return Nobody, fmt.Errorf("server: there is no role %.40q: there are reader, caller and operator", name)
}

// permit is a fault if who has a role may not do what needs another.
func (r Role) permit(needs Role) *fault {
	switch {
	case r >= needs:
		return nil
	case r == Nobody:
		return faultf(codeUnauthenticated, "credentials are needed: a token in the header Authorization (Bearer), or a client certificate")
	}
	return faultf(codeForbidden, "this needs the role %v, and the credentials have the role %v", needs, r)
}
