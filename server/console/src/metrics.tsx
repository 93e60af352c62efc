// Metrics at a glance: what happens in a second, from two looks at what the engine counts.
import { bytes, count, duration, plural, visible } from "./format";
import type { Measured, Metrics } from "./types";
import { Empty, Loading, Term, Tile, useHistory } from "./ui";

/** The rates between two looks that are some seconds apart. */
type Rates = { seconds: number; requests: number; p50: number; p99: number; failures: number; deadlocks: number; retries: number; sealed: number; seal50: number; seal99: number; waits: number };

const apart = 5; // looks that rates are made from, so that they are calm

export function MetricsView({ data }: { data?: Metrics }) {
  const history = useHistory(data, 240);
  if (!data) return <Loading what="Asking for metrics" />;
  const rates = history.map((m, i) => ratesOf(history[Math.max(0, i - apart)]!, m)).slice(1);
  const now = rates[rates.length - 1];
  if (!now) return <Loading what="Counting for a moment" />;
  const g = (name: string) => data.gauges[name] ?? 0;
  return (
    <section aria-label="Metrics at a glance">
      <div class="tiles">
        <Tile title="Requests a second" value={count(now.requests)} values={rates.map((r) => r.requests)} />
        <Tile title={<Term of="p50">Latency</Term>} value={duration(now.p50)} values={rates.map((r) => (isFinite(r.p99) ? r.p99 : 0))} note={<>99 of 100 within {duration(now.p99)}</>} />
        <Tile title={<Term of="in flight">In flight</Term>} value={count(g("inFlight"))} values={history.map((m) => m.gauges["inFlight"] ?? 0)} />
        <Tile title="Failures a second" value={count(now.failures)} values={rates.map((r) => r.failures)} note="chosen by the program's functions" />
        <Tile title={<Term of="deadlock">Deadlocks a second</Term>} value={count(now.deadlocks)} values={rates.map((r) => r.deadlocks)} note={`${count(data.counts["deadlocks"] ?? 0)} since the start`} />
        <Tile title={<Term of="retries">Retries a second</Term>} value={count(now.retries)} values={rates.map((r) => r.retries)} />
        <Tile title="Waits for locks a second" value={count(now.waits)} values={rates.map((r) => r.waits)} note={data.lockWait.count > 0 ? `on average ${duration(data.lockWait.time / data.lockWait.count)}` : "none so far"} />
        <Tile title={<Term of="sealed">Sealing an epoch</Term>} value={duration(now.seal50)} values={rates.map((r) => (isFinite(r.seal99) ? r.seal99 : 0))} note={<>99 of 100 within {duration(now.seal99)}</>} />
        <Tile title="To the log a second" value={bytes(now.sealed)} values={rates.map((r) => r.sealed)} />
        <Tile title={<Term of="overlay">Overlay</Term>} value={bytes(g("overlay"))} values={history.map((m) => m.gauges["overlay"] ?? 0)} />
        <Tile title={<Term of="messages">Messages queued</Term>} value={count(g("messages"))} values={history.map((m) => m.gauges["messages"] ?? 0)} />
        <Tile title="Slow code" value={count(data.counts["slow"] ?? 0)} note="times that code of the program held a worker for over 100 ms" tone={(data.counts["slow"] ?? 0) > 0 ? "warn" : undefined} />
      </div>
      <div class="card">
        <h2>Functions</h2>
        {data.functions.length === 0 ? <Empty title="No request yet">Each function that was asked for since the start is listed here.</Empty> : (
          <div class="scroll">
            <table class="numbers">
              <thead><tr><th>function</th><th>a second</th><th><Term of="p50">p50</Term></th><th><Term of="p99">p99</Term></th><th>in all</th><th class="wrap">failures</th></tr></thead>
              <tbody>{data.functions.map((f) => <Row key={f.name} f={f} before={history[Math.max(0, history.length - 1 - apart)]} now={data} />)}</tbody>
            </table>
          </div>
        )}
        <p class="faint">Requests of clients, from when they were taken until their outcome was durable. Prometheus finds these and more at <code>/metrics</code>.</p>
      </div>
    </section>
  );
}

function Row({ f, before, now }: { f: Measured; before: Metrics | undefined; now: Metrics }) {
  const old = before?.functions.find((o) => o.name === f.name);
  const seconds = before ? (now.at - before.at) / 1000 : 0;
  const counts = f.counts.map((n, i) => n - (old?.counts[i] ?? 0));
  const lately = counts.reduce((a, b) => a + b, 0);
  const all = f.counts.reduce((a, b) => a + b, 0);
  const shape = lately > 0 ? counts : f.counts;
  const failures = Object.entries(f.failures);
  return (
    <tr>
      <td>{visible(f.name, 80)}</td>
      <td>{seconds > 0 ? count(lately / seconds) : "–"}</td>
      <td>{duration(quantile(shape, now.bounds, 0.5))}</td>
      <td>{duration(quantile(shape, now.bounds, 0.99))}</td>
      <td>{count(all)}</td>
      <td class="wrap">{failures.length + f.unknown === 0 ? <span class="faint">none</span> : <>{failures.map(([name, n]) => <div key={name}>{count(n)} × {visible(name, 80)}</div>)}{f.unknown > 0 && <div>{plural(f.unknown, "request")} without outcome</div>}</>}</td>
    </tr>
  );
}

function ratesOf(a: Metrics, b: Metrics): Rates {
  const seconds = Math.max((b.at - a.at) / 1000, 1e-3);
  const [before, after] = [sumOf(a), sumOf(b)];
  const counts = after.counts.map((n, i) => n - (before.counts[i] ?? 0));
  const seals = b.seals.map((n, i) => n - (a.seals[i] ?? 0));
  const per = (name: string) => Math.max(0, (b.counts[name] ?? 0) - (a.counts[name] ?? 0)) / seconds;
  return {
    seconds, requests: Math.max(0, counts.reduce((x, y) => x + y, 0)) / seconds, p50: quantile(counts, b.bounds, 0.5), p99: quantile(counts, b.bounds, 0.99),
    failures: Math.max(0, after.failures - before.failures) / seconds, deadlocks: per("deadlocks"), retries: per("retries"), sealed: per("sealedBytes"),
    seal50: quantile(seals, b.bounds, 0.5), seal99: quantile(seals, b.bounds, 0.99), waits: Math.max(0, b.lockWait.count - a.lockWait.count) / seconds,
  };
}

function sumOf(m: Metrics): { counts: number[]; failures: number } {
  const counts = m.bounds.map(() => 0);
  let failures = 0;
  for (const f of m.functions) {
    f.counts.forEach((n, i) => { counts[i] = (counts[i] ?? 0) + n; });
    for (const n of Object.values(f.failures)) failures += n;
  }
  return { counts, failures };
}

/** About the duration that a part of all does not exceed; NaN if there is none. Within a bucket durations are taken to be spread evenly. */
export function quantile(counts: number[], bounds: number[], part: number): number {
  const all = counts.reduce((a, b) => a + Math.max(0, b), 0);
  if (all === 0) return NaN;
  let left = all * part;
  for (let i = 0; i < counts.length; i++) {
    const n = Math.max(0, counts[i] ?? 0);
    if (n > 0 && left <= n) {
      const lower = i === 0 ? 0 : bounds[i - 1]!;
      return lower + (bounds[i]! - lower) * (left / n);
    }
    left -= n;
  }
  return bounds[bounds.length - 1] ?? NaN;
}
