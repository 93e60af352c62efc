// Package tpcc is the new-order and the payment transaction of TPC-C (TPC Benchmark C, Standard Specification, Revision 5.11)
// over stateful functions, each as a serializable transaction and as a saga, and a [Workload] that drives and audits them.
// Clause numbers in this package are those of the standard.
//
// The company has warehouses, each with districts, each with customers; it sells items, of which each warehouse has a stock. An
// order has lines; a new-order entry says that it is not delivered yet. A payment leaves an entry in the history. Each row of the
// standard's tables is an instance, with two exceptions that clause 1.4 permits:
//
//   - The rows of warehouses and districts are cut in two (vertical partitioning, clause 1.4.5): what a payment reads and writes
//     ([Warehouses], [Districts]: name, address, takings of the year), and what a new order does ([Taxes]; [Counters]: tax and
//     next order number). So the two transactions never wait for each other there, and each still makes one call.
//   - An order's lines are stored with it (clause 1.4.1): they are made together and never without it.
//
// All state is bounded: an instance is a row, and an order has at most 15 lines. The last names by which payments find their
// customers are an index of its own, [Names], as no operation walks a table. A history entry is named after its customer and the
// number of the payment.
//
// # What is not the standard's
//
// There are no terminals, keying and think times; the other three transactions are missing, so nothing is ever delivered; a new
// order that is rolled back for its unused item does all but make the order, which needs the last line's price. Figures are
// therefore no tpmC and cannot be compared with published ones. Rolled-back new orders count as failed.
//
// # Sagas
//
// A saga makes its steps so that what cannot be undone comes last: a payment's customer (others may have paid meanwhile, and its
// number is taken), a new order's number. Nothing after that step can fail. Before it everything has a compensation: takings are
// given back, stock is put back. So once all sagas have ended all conditions of clause 3.3.2 hold under both protocols; while
// sagas run, others can see takings without history and stock that is taken for orders that will not be. A person who cancels a
// saga in the moment between its last two steps leaves a gap in the numbers, and the audit says so.
//
// Start reading at neworder.go and payment.go, then workload.go and conditions.go.
package tpcc

import (
	"strconv"

	"github.com/concordat-dev/concordat/functions"
)

// Parts are what an engine needs to run the two transactions under both protocols.
func Parts() []functions.Part {
	return []functions.Part{
		Everything, Warehouses, Taxes, Districts, Counters, Customers, Names, History, Items, Stocks, Orders, NewOrders,
		NewOrderTx, NewOrderSaga, PaymentTx, PaymentSaga,
	}
}

// ID makes the id of an instance of its numbers, which count from 1: a warehouse is "w", a district "w.d", a customer "w.d.c", an
// order "w.d.o", a stock "w.i", an item "i", a history entry "w.d.c.n".
func ID(numbers ...int) string {
	var buffer [48]byte
	id := buffer[:0]
	for i, n := range numbers {
		if i > 0 {
			id = append(id, '.')
		}
		id = strconv.AppendInt(id, int64(n), 10)
	}
	return string(id)
}
