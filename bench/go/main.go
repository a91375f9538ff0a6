// SPDX-License-Identifier: GPL-2.0-only

// Go's own locks, by the same workloads as far as they have any sense there:
// between the goroutines of one process, for these locks know no other ones.
package main

import (
	"fmt"
	"os"
	"runtime"
	"sort"
	"sync"
	"sync/atomic"
	"time"
)

const repetitions = 7

type figures struct{ ns, fairness float64 }

var length = 300 * time.Millisecond

// busy uses no shared memory.
//
//go:noinline
func busy(loops int) int {
	x := 0
	for i := 0; i < loops; i++ {
		x += i ^ x
	}
	return x
}

// loopsFor says how many loops of busy take that long, at their best.
func loopsFor(d time.Duration) int {
	const tried = 1000000
	best := time.Hour
	for i := 0; i < 10; i++ {
		begin := time.Now()
		busy(tried)
		if t := time.Since(begin); t < best {
			best = t
		}
	}
	return int(float64(d) * tried / float64(best))
}

// together lets workers run for a while; each says how often it did its work.
func together(workers int, work func(stop *atomic.Bool) uint64) figures {
	var stop atomic.Bool
	var wg sync.WaitGroup
	ops := make([]uint64, workers)
	begin := time.Now()
	for i := range ops {
		wg.Add(1)
		go func(i int) {
			ops[i] = work(&stop)
			wg.Done()
		}(i)
	}
	time.Sleep(length)
	stop.Store(true)
	ns := float64(time.Since(begin))
	wg.Wait()
	sort.Slice(ops, func(i, j int) bool { return ops[i] < ops[j] })
	var sum uint64
	for _, n := range ops {
		sum += n
	}
	return figures{ns / float64(sum), float64(ops[0]) / float64(ops[len(ops)-1])}
}

func counter(workers, loops int) figures {
	var m sync.Mutex
	var value, ops uint64
	f := together(workers, func(stop *atomic.Bool) (n uint64) {
		for !stop.Load() {
			m.Lock()
			v := value
			if loops > 0 {
				busy(loops)
			}
			value = v + 1
			m.Unlock()
			n++
		}
		atomic.AddUint64(&ops, n)
		return
	})
	if ops != value {
		fmt.Fprintf(os.Stderr, "bench: FAILED: go-mutex: %d additions, counted %d\n", ops, value)
		os.Exit(1)
	}
	return f
}

func readers(workers int) figures {
	var m sync.RWMutex
	return together(workers, func(stop *atomic.Bool) (n uint64) {
		for !stop.Load() {
			m.RLock()
			m.RUnlock()
			n++
		}
		return
	})
}

func report(work, variant, peer string, run func() figures) {
	var ns, fairness []float64
	for i := 0; i < repetitions; i++ {
		f := run()
		ns = append(ns, f.ns)
		fairness = append(fairness, f.fairness)
	}
	line := func(metric string, v []float64) {
		sort.Float64s(v)
		fmt.Printf("%s\t%s\t%s\t%s\t%.4g\t%.4g\t%.4g\t%d\t0\n", work, variant, peer, metric,
			v[len(v)/2], v[0], v[len(v)-1], len(v))
	}
	line("ns", ns)
	line("fairness", fairness)
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "-q" {
		length = 20 * time.Millisecond
	}
	fmt.Printf("# go: %s\n", runtime.Version())
	microsecond := loopsFor(time.Microsecond)
	for _, n := range []int{1, 2, 4, 8, 16} {
		n := n
		report("counter", fmt.Sprintf("empty-%d", n), "go-mutex",
			func() figures { return counter(n, 0) })
		report("counter", fmt.Sprintf("1us-%d", n), "go-mutex",
			func() figures { return counter(n, microsecond) })
	}
	for _, n := range []int{1, 2, 4, 8} {
		n := n
		report("readers", fmt.Sprintf("only-%d", n), "go-rwmutex",
			func() figures { return readers(n) })
	}
}
