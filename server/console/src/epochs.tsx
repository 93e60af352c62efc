// Epochs: how large they are, how long sealing takes, and what is not applied to the table yet.
import { useEffect, useRef, useState } from "preact/hooks";
import { bytes, count, duration, time } from "./format";
import type { Epoch, Epochs } from "./types";
import { Empty, Loading, Term, Tile, useHistory, useWidth } from "./ui";

export function EpochsView({ data }: { data?: Epochs }) {
  const history = useHistory(data);
  if (!data) return <Loading what="Asking for epochs" />;
  if (data.epochs.length === 0) {
    return <Empty title="No epoch yet">What requests change is made durable in <Term of="epoch">epochs</Term>. There was no request since the engine was opened.</Empty>;
  }
  const first = data.epochs[0]!;
  const last = data.epochs[data.epochs.length - 1]!;
  const span = (last.sealed - first.sealed) / 1000;
  const mean = (of: (e: Epoch) => number) => data.epochs.reduce((sum, e) => sum + of(e), 0) / data.epochs.length;
  const slowest = data.epochs.reduce((a, b) => (b.took > a.took ? b : a));
  const forced = data.epochs.filter((e) => e.forced).length;
  return (
    <section aria-label="Epochs">
      <div class="tiles">
        <Tile title={<Term of="epoch">Epochs a second</Term>} value={span > 0 ? count((data.epochs.length - 1) / span) : "–"} note={`${count(data.count)} since the start`} />
        <Tile title="Sealing takes" value={duration(mean((e) => e.took))} note={`the slowest of these ${duration(slowest.took)}`} />
        <Tile title="In an epoch" value={bytes(mean((e) => e.bytes))} note={`${count(mean((e) => e.rows))} rows, ${count(mean((e) => e.outcomes))} outcomes, on average`} />
        <Tile title={<Term of="overlay">Overlay</Term>} value={bytes(data.overlay)} values={history.map((e) => e.overlay)} note="durable, not in the table yet" />
        <Tile title={<Term of="forced">Cut by force</Term>} value={count(forced)} note={`of the last ${data.epochs.length}`} tone={forced > data.epochs.length / 4 ? "warn" : undefined} />
      </div>
      <div class="card">
        <h2>The last {data.epochs.length} epochs</h2>
        <Chart epochs={data.epochs} />
        <p class="legend faint"><span class="swatch size" /> size <span class="swatch took" /> time to <Term of="sealed">seal</Term> <span class="swatch force" /> <Term of="forced">cut by force</Term></p>
      </div>
      <details class="card">
        <summary>The last 20 as a table</summary>
        <div class="scroll">
          <table class="numbers">
            <thead><tr><th>epoch</th><th>sealed at</th><th>took</th><th>size</th><th>rows</th><th>outcomes</th><th /></tr></thead>
            <tbody>
              {data.epochs.slice(-20).reverse().map((e) => (
                <tr key={e.number}><td>{e.number}</td><td>{time(e.sealed)}</td><td>{duration(e.took)}</td><td>{bytes(e.bytes)}</td><td>{count(e.rows)}</td><td>{count(e.outcomes)}</td><td>{e.forced ? "cut by force" : ""}</td></tr>
              ))}
            </tbody>
          </table>
        </div>
      </details>
    </section>
  );
}

/** Size as bars, upwards; the time to seal as bars, downwards. */
function Chart({ epochs }: { epochs: Epoch[] }) {
  const box = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(800);
  const [at, setAt] = useState<number>();
  const windowWidth = useWidth();
  useEffect(() => { if (box.current) setWidth(Math.max(280, box.current.clientWidth)); }, [windowWidth]);
  const [up, down, label] = [120, 90, 62];
  const step = (width - label) / 256;
  const largest = Math.max(...epochs.map((e) => e.bytes), 1);
  const slowest = Math.max(...epochs.map((e) => e.took), 1e-6);
  const start = label + (256 - epochs.length) * step;
  const shown = at === undefined ? undefined : epochs[at];
  return (
    <div ref={box}>
      <svg class="chart" width={width} height={up + down + 14} viewBox={`0 0 ${width} ${up + down + 14}`} role="img" aria-label={`Size up to ${bytes(largest)}, time to seal up to ${duration(slowest)}`}
        onMouseMove={(e) => {
          const i = Math.floor((e.clientX - e.currentTarget.getBoundingClientRect().left - start) / step);
          setAt(i >= 0 && i < epochs.length ? i : undefined);
        }}
        onMouseLeave={() => setAt(undefined)}>
        <text class="note" x={label - 6} y="12" text-anchor="end">{bytes(largest)}</text>
        <text class="note" x={label - 6} y={up + 11} text-anchor="end">0</text>
        <text class="note" x={label - 6} y={up + down + 8} text-anchor="end">{duration(slowest)}</text>
        {epochs.map((e, i) => {
          const x = start + i * step;
          const w = Math.max(0.8, step - 0.5);
          const high = (e.bytes / largest) * (up - 6);
          return (
            <g key={e.number}>
              <rect class={e.forced ? "force" : "size"} x={x} y={up - high} width={w} height={high} />
              <rect class="took" x={x} y={up + 4} width={w} height={(e.took / slowest) * down} />
            </g>
          );
        })}
        <line class="lane" x1={label} x2={width} y1={up + 2} y2={up + 2} />
        {at !== undefined && <rect class="cursor" x={start + at * step - 0.5} y="0" width={step + 0.5} height={up + down + 8} />}
      </svg>
      <p class="faint under">{shown ? `Epoch ${shown.number}: ${bytes(shown.bytes)}, ${count(shown.rows)} rows, ${count(shown.outcomes)} outcomes, sealed in ${duration(shown.took)}` : " "}</p>
    </div>
  );
}
