// The same load done in several ways, side by side.
import { count, duration, visible } from "./format";
import type { Comparison, Side } from "./types";
import { Empty, Loading, Spark, Term, useHistory } from "./ui";

export function CompareView({ data }: { data?: Comparison }) {
  const history = useHistory(data);
  if (!data) return <Loading what="Asking what is compared" />;
  if (data.sides.length === 0) return <Empty title="Nothing is compared yet">The program has not begun.</Empty>;
  const fastest = Math.max(...data.sides.map((s) => s.perSecond), 1);
  const slowest = Math.max(...data.sides.map((s) => s.p99), 1e-6);
  return (
    <section aria-label="Side by side">
      <p class="lead">{visible(data.load, 300)} {!data.running && <span class="tag">stopped</span>}</p>
      <div class="sides">
        {data.sides.map((s, i) => (
          <SideCard key={s.name} side={s} fastest={fastest} slowest={slowest} history={history.map((c) => c.sides[i]?.perSecond ?? 0)} />
        ))}
      </div>
    </section>
  );
}

function SideCard({ side: s, fastest, slowest, history }: { side: Side; fastest: number; slowest: number; history: number[] }) {
  const right = s.sum === s.expect;
  return (
    <div class="card">
      <h2>{visible(s.name)}</h2>
      <p class="faint">{visible(s.about, 300)}</p>
      <div class="value">{count(s.perSecond)} <span class="faint unit">a second</span></div>
      <Meter part={s.perSecond / fastest} label="throughput, of the fastest" />
      <Spark values={history} label="throughput lately" />
      <dl>
        <dt><Term of="p50">half take at most</Term></dt><dd>{duration(s.p50)}</dd>
        <dt><Term of="p99">99 of 100 at most</Term></dt><dd>{duration(s.p99)} <Meter part={s.p99 / slowest} label="latency, of the slowest" /></dd>
        <dt>committed</dt><dd>{count(s.committed)}</dd>
        <dt>failed as meant</dt><dd>{count(s.failed)}</dd>
        <dt><Term of="retries">tried again</Term></dt><dd>{count(s.retried)}</dd>
        <dt><Term of="half done">seen half done</Term></dt><dd class={s.halfDone > 0 ? "bad" : "good"}>{count(s.halfDone)} <span class="faint">of {count(s.looks)} looks</span></dd>
      </dl>
      <div class={`verdict ${right ? "good" : "bad"}`} role="status">{right ? "✓ It adds up" : "✕ At the last look it did not add up"}: {visible(s.sum)} of {visible(s.expect)}</div>
    </div>
  );
}

export function Meter({ part, label, tone = "" }: { part: number; label: string; tone?: string }) {
  const percent = Math.round(Math.max(0, Math.min(1, part)) * 100);
  return (
    <svg class={`meter ${tone}`} viewBox="0 0 100 6" preserveAspectRatio="none" role="img" aria-label={`${label}: ${percent} %`}>
      <rect class="whole" width="100" height="6" /><rect class="part" width={percent} height="6" />
    </svg>
  );
}
