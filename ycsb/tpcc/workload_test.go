package tpcc

import (
	"fmt"
	"testing"

	"github.com/concordat-dev/concordat/locks"
)

// TestMix: after both transactions under each protocol and policy all conditions hold and nothing is missing, in one warehouse,
// where everybody wants the same, and in two.
func TestMix(t *testing.T) {
	for _, protocol := range protocols {
		for _, policy := range []locks.Policy{locks.Detect, locks.WaitDie, locks.WoundWait, locks.NoWait} {
			for warehouses := 1; warehouses <= 2; warehouses++ {
				t.Run(fmt.Sprint(protocol, " ", policy, " ", warehouses), func(t *testing.T) {
					w := loaded(t, Options{Protocol: protocol, Policy: policy, Scale: Tiny(warehouses)})
					mustBeRight(t, w)
					before := audited(t, w).Constant
					outcomes := drive(t, w, 16, 50)
					after := audited(t, w)
					for _, err := range after.Wrong {
						t.Error(err)
					}
					if fmt.Sprint(before) != fmt.Sprint(after.Constant) || len(before) == 0 {
						t.Errorf("figures %v became %v", before, after.Constant)
					}
					if outcomes["new-order"] < 300 || outcomes["payment"] < 300 || outcomes["unused"] == 0 {
						t.Errorf("outcomes %v", outcomes)
					}
				})
			}
		}
	}
}
