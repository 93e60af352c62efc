// Package impure does all that a pure package must not do. Each line that is wrong says so, with a word of the finding; TestChecker
// reads it.
package impure

import (
	"context"     // impure: import of context
	"crypto/rand" // impure: import of crypto/rand
	"fmt"
	"hash/maphash" // impure: import of hash/maphash
	"io"           // impure: import of io
	"log/slog"     // impure: import of log/slog
	"maps"
	randv2 "math/rand/v2" // impure: import of math/rand/v2
	"net/http"            // impure: import of net/http
	"os"                  // impure: import of os
	"reflect"
	"runtime" // impure: import of runtime
	"runtime/debug"
	"slices"
	"sync"        // impure: import of sync
	"sync/atomic" // impure: import of sync/atomic
	"time"
	"unsafe" // impure: import of unsafe

	"golang.org/x/tools/go/packages" // impure: import of golang.org/x/tools/go/packages

	"github.com/concordat-dev/concordat/engine" // impure: import of github.com/concordat-dev/concordat/engine
)

type table map[string]int

func useImports() {
	var _ io.Reader
	slog.Info("x")
	_ = randv2.Int()
	_ = http.StatusOK
	_ = os.Args
	runtime.GC()
	debug.Stack()
	var _ sync.Mutex
	var _ atomic.Int64
	var _ context.Context
	var _ unsafe.Pointer
	_, _ = rand.Read(nil)
	_ = maphash.MakeSeed()
	var _ packages.Package
	var _ engine.Options
}

func clocks(at time.Time) {
	_ = time.Now()             // impure: time.Now
	_ = time.Since(at)         // impure: time.Since
	_ = time.Until(at)         // impure: time.Until
	time.Sleep(1)              // impure: time.Sleep
	_ = time.After(1)          // impure: time.After
	_ = time.NewTimer(1)       // impure: time.NewTimer
	_ = time.AfterFunc(1, nil) // impure: time.AfterFunc
	_ = time.NewTicker(1)      // impure: time.NewTicker
	_ = time.Tick(1)           // impure: time.Tick
	now := time.Now            // impure: time.Now
	_ = now
	_ = at.Add(time.Second)
	_ = time.Unix(0, 1)
}

func concurrency() {
	go clocks(time.Time{}) // impure: go statement
	var c chan int         // impure: channel
	c <- 1                 // impure: channel
	<-c                    // impure: channel
	select {}              // impure: select
}

func order(m map[string]int, t table, v reflect.Value) (keys []string) {
	for k := range m { // impure: range over a map
		keys = append(keys, k)
	}
	for range t { // impure: range over a map
	}
	for k := range maps.Keys(m) { // impure: maps.Keys
		keys = append(keys, k)
	}
	for k := range maps.All(t) { // impure: maps.All
		keys = append(keys, k)
	}
	keys = slices.Collect(maps.Keys(m)) // impure: maps.Keys
	_ = maps.Values(m)                  // impure: maps.Values
	_ = v.MapKeys()                     // impure: MapKeys
	_ = v.MapRange()                    // impure: MapRange
	//purity:
	for range m { // impure: range over a map
	}
	sum := 0
	//purity: a sum does not depend on the order
	for _, n := range m {
		sum += n
	}
	for _, n := range m { //purity: nor does this one
		sum += n
	}
	for k := range keys {
		sum += k
	}
	fmt.Println(sum, slices.Sorted(maps.Keys(m)), maps.Clone(m)) // impure: fmt.Println
	return keys
}

func inGeneric[M ~map[K]V, K comparable, V any](m M) {
	for range m { // impure: range over a map
	}
}
