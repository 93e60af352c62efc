// The wait-for graph, and the deadlocks that there were.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { Replay, victimReason } from "./replay";
import { count, duration, plural, shortName, time, visible } from "./format";
import { type Drawing, type Node, keyOfOwner, layOut, nodeHeight, nodeWidth } from "./layout";
import type { Deadlock, Deadlocks, Graph } from "./types";
import { arrows, Empty, Instance, Loading, Owner, Term } from "./ui";

const firstLocks = 12;

export function GraphView({ graph, deadlocks, paused, argument }: { graph?: Graph; deadlocks?: Deadlocks; paused: boolean; argument: string }) {
  const [all, setAll] = useState(false);
  const [chosen, setChosen] = useState<string>();
  const fresh = useFresh(deadlocks);
  const replayed = deadlocks?.deadlocks.find((d) => keyOf(d) === argument);
  const kept = useRef<Deadlock | undefined>(undefined);
  if (replayed) kept.current = replayed;
  const shown = argument ? replayed ?? (kept.current && keyOf(kept.current) === argument ? kept.current : undefined) : undefined;
  if (argument && shown) return <Replay key={argument} deadlock={shown} />;
  if (argument && deadlocks) {
    return (
      <Empty title="This deadlock is no longer listed">
        The server keeps the last ones since it was started. <a href="#/graph">Back to the graph</a>
      </Empty>
    );
  }
  if (!graph) return <Loading what="Looking who waits for whom" />;
  const locks = all ? graph.locks : graph.locks.slice(0, firstLocks);
  const hidden = graph.locks.length - locks.length;
  return (
    <div class="columns wide-left">
      <section aria-label="Who waits for whom">
        {fresh && <Alarm deadlock={fresh} />}
        <p class="lead">
          {graph.waits === 0
            ? "Nobody waits now."
            : `${plural(graph.waits, "call waits", "calls wait")} for ${plural(graph.locks.length + graph.more, "instance")}.`}{" "}
          <span class="faint">As of {time(graph.at)}{paused ? ", held" : ""}.</span>
        </p>
        {graph.waits === 0 ? (
          <Empty title="No waiting calls">
            Most <Term of="transaction">transactions</Term> end within a millisecond, and nobody waits between two epochs. Under load, calls that meet at
            one <Term of="instance" /> appear here: on the left who runs, then what it holds, then who waits for that.
          </Empty>
        ) : (
          <>
            <Picture locks={locks} chosen={chosen} choose={setChosen} />
            <Legend />
            {(hidden > 0 || all) && graph.locks.length > firstLocks && (
              <button type="button" onClick={() => setAll(!all)}>{all ? `Show the first ${firstLocks}` : `Show ${plural(hidden, "further instance")}`}</button>
            )}
            {graph.more > 0 && <p class="faint">{plural(graph.more, "instance")} with fewer waiters {graph.more === 1 ? "is" : "are"} not shown.</p>}
          </>
        )}
        {chosen && graph.waits > 0 && <Chosen graph={graph} chosen={chosen} />}
      </section>
      <DeadlockList deadlocks={deadlocks} />
    </div>
  );
}

export function keyOf(d: Deadlock): string {
  return `${d.epoch}-${d.victim}-${Math.round(d.at * 1000)}`;
}

/** The newest deadlock, for some seconds after it has come. */
function useFresh(deadlocks?: Deadlocks): Deadlock | undefined {
  const known = useRef<number | undefined>(undefined);
  const [fresh, setFresh] = useState<Deadlock>();
  useEffect(() => {
    if (!deadlocks) return undefined;
    const had = known.current;
    known.current = deadlocks.count;
    if (had === undefined || deadlocks.count <= had) return undefined;
    setFresh(deadlocks.deadlocks[0]);
    return undefined;
  }, [deadlocks?.count]);
  useEffect(() => {
    if (!fresh) return undefined;
    const timer = setTimeout(() => setFresh(undefined), 8000);
    return () => clearTimeout(timer);
  }, [fresh]);
  return fresh;
}

function Alarm({ deadlock }: { deadlock: Deadlock }) {
  return (
    <div class="alarm" role="status">
      <strong>A deadlock of {deadlock.waits.length} was broken.</strong> #{deadlock.victim} {victimReason(deadlock)}{" "}
      <a href={`#/graph/${keyOf(deadlock)}`}>Replay it</a>
    </div>
  );
}

function Picture({ locks, chosen, choose }: { locks: Graph["locks"]; chosen: string | undefined; choose: (key: string | undefined) => void }) {
  const drawing = useMemo(() => layOut(few(locks)), [locks]);
  const near = useMemo(() => neighbours(drawing, chosen), [drawing, chosen]);
  return (
    <div class="scroll graph" tabIndex={0} role="region" aria-label="The graph; scroll to see all of it">
      <svg width={drawing.width} height={drawing.height} viewBox={`0 0 ${drawing.width} ${drawing.height}`} role="group" aria-label="Wait-for graph">
        <defs>
          <marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerUnits="userSpaceOnUse" markerWidth="10" markerHeight="10" orient="auto">
            <path d="M0 0L8 4L0 8z" />
          </marker>
        </defs>
        {drawing.edges.map((e) => (
          <EdgeLine key={`${e.from}\t${e.to}`} drawing={drawing} edge={e} faded={near !== undefined && !(near.has(e.from) && near.has(e.to))} />
        ))}
        {drawing.nodes.map((n) => (
          <NodeBox key={n.key} node={n} faded={near !== undefined && !near.has(n.key)} chosen={n.key === chosen} choose={choose} />
        ))}
      </svg>
    </div>
  );
}

/** Locks with fewer of their waiters where there are many locks. Those come first that are on a chain. */
function few(locks: Graph["locks"]): Graph["locks"] {
  const most = locks.length > 4 ? 4 : 12;
  return locks.map((l) => ({ ...l, waiters: l.waiters.slice(0, Math.max(most, l.waiters.filter((c) => c.chained).length)) }));
}

/** The nodes on chains through one. */
function neighbours(drawing: Drawing, chosen: string | undefined): Set<string> | undefined {
  if (!chosen || !drawing.nodes.some((n) => n.key === chosen)) return undefined;
  const near = new Set([chosen]);
  for (const ends of [["from", "to"], ["to", "from"]] as const) {
    const open = [chosen];
    while (open.length > 0) {
      const at = open.pop()!;
      for (const e of drawing.edges) {
        if (e[ends[0]] === at && !near.has(e[ends[1]])) {
          near.add(e[ends[1]]);
          open.push(e[ends[1]]);
        }
      }
    }
  }
  return near;
}

const byKey = new WeakMap<Drawing, Map<string, Node>>();

function EdgeLine({ drawing, edge, faded }: { drawing: Drawing; edge: Drawing["edges"][number]; faded: boolean }) {
  let index = byKey.get(drawing);
  if (!index) byKey.set(drawing, (index = new Map(drawing.nodes.map((n) => [n.key, n]))));
  const from = index.get(edge.from)!;
  const to = index.get(edge.to)!;
  const [x1, y1, x2, y2] = [from.x + nodeWidth, from.y + nodeHeight / 2, to.x, to.y + nodeHeight / 2];
  const bend = Math.max(40, Math.abs(x2 - x1) / 2);
  // A line of one who waits has its arrow where it points to: at what it waits for, on the left.
  const path = edge.kind === "waits"
    ? `M${x2} ${y2}C${x2 - bend} ${y2} ${x1 + bend} ${y1} ${x1 + 2} ${y1}`
    : `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`;
  const arrow = edge.kind === "waits" ? { "marker-end": "url(#arrow)" } : {};
  return <path class={`edge ${edge.kind} ${edge.circle ? "circle" : ""} ${faded ? "faded" : ""}`} d={path} {...arrow} />;
}

function NodeBox({ node, faded, chosen, choose }: { node: Node; faded: boolean; chosen: boolean; choose: (key: string | undefined) => void }) {
  const toggle = () => choose(chosen ? undefined : node.key);
  const [title, note] = textOf(node);
  const look = node.kind === "lock" ? "lock" : node.kind === "more" ? "more" : node.waits ? "waiter" : "runner";
  return (
    <g
      class={`node ${look} ${faded ? "faded" : ""} ${chosen ? "chosen" : ""}`}
      transform={`translate(${node.x} ${node.y})`}
      tabindex={node.kind === "more" ? -1 : 0}
      role="button"
      aria-label={`${title} ${note}`}
      aria-pressed={chosen}
      onClick={toggle}
      onKeyDown={(e) => {
        if (e.key === "Enter" || e.key === " ") {
          e.preventDefault();
          e.stopPropagation();
          toggle();
        }
      }}
    >
      <rect width={nodeWidth} height={nodeHeight} rx={node.kind === "lock" ? 4 : nodeHeight / 2} />
      <text x="10" y="19">{cut(title, note ? 17 : 24)}</text>
      {note && <text class="note" x={nodeWidth - 10} y="19" text-anchor="end">{cut(note, 15)}</text>}
    </g>
  );
}

function cut(text: string, most: number): string {
  const letters = Array.from(text);
  return letters.length > most ? letters.slice(0, most - 1).join("") + "…" : text;
}

function textOf(node: Node): [string, string] {
  switch (node.kind) {
    case "lock":
      return [visible(node.lock.address.id, 40) || "(empty)", node.lock.waiterCount > 1 ? `${count(node.lock.waiterCount)} wait` : shortName(visible(node.lock.address.type))];
    case "more":
      return [`${count(node.count)} more`, node.of === "wait" ? "wait" : "hold it"];
    case "who": {
      const c = node.claim;
      const name = shortName(visible(c.function || c.operation || "call"));
      return c.attempt === 0 ? [`call ${c.owner}`, name] : [`#${c.owner}`, c.attempt > 1 ? `attempt ${c.attempt}` : name];
    }
  }
}

function Legend() {
  return (
    <p class="legend faint">
      <span class="swatch runner" /> runs <span class="swatch lock" /> <Term of="instance" /> <span class="swatch waiter" /> waits; the arrow points at what for{" "}
      <span class="swatch circle" /> a circle: a <Term of="deadlock" />
    </p>
  );
}

function Chosen({ graph, chosen }: { graph: Graph; chosen: string }) {
  const claims = graph.locks.flatMap((l) => [
    ...l.holders.filter((c) => keyOfOwner(c) === chosen).map((c) => ({ l, c, does: "holds" })),
    ...l.waiters.filter((c) => keyOfOwner(c) === chosen).map((c) => ({ l, c, does: "waits for" })),
  ]);
  const first = claims[0];
  if (!first) return null;
  return (
    <div class="card">
      <h3>
        <Owner number={first.c.owner} attempt={first.c.attempt} /> {visible(first.c.function)}
      </h3>
      {first.c.request && <p><Term of="request id" /> <code>{visible(first.c.request)}</code></p>}
      <ul>
        {claims.map(({ l, c, does }) => (
          <li key={`${does}${l.address.type}\n${l.address.id}`}>
            {does} <Instance of={l.address} /> <Term of={c.mode === "shared" ? "shared" : "exclusive"} /> for {duration(Math.max(0, graph.at - c.since))}
            {c.operation && <span class="faint"> ({visible(c.operation)})</span>}
          </li>
        ))}
      </ul>
    </div>
  );
}

function DeadlockList({ deadlocks }: { deadlocks: Deadlocks | undefined }) {
  return (
    <section class="card side" aria-label="Deadlocks that were broken">
      <h2>
        <Term of="deadlock">Deadlocks</Term> <span class="faint">{deadlocks ? count(deadlocks.count) : ""}</span>
      </h2>
      {!deadlocks && <Loading what="Asking for deadlocks" />}
      {deadlocks && deadlocks.deadlocks.length === 0 && (
        <Empty title="None so far">When transactions wait for each other in a circle, one gives way. Each such case is kept here, to be replayed.</Empty>
      )}
      <div class="rows" onKeyDown={arrows}>
        {deadlocks?.deadlocks.map((d) => (
          <button type="button" class="row" key={keyOf(d)} onClick={() => { location.hash = `#/graph/${keyOf(d)}`; }}>
            <span>
              {[...new Set(d.waits.map((w) => shortName(visible(w.function || "call", 40))))].slice(0, 3).join(", ")}
              <span class="faint"> circle of {d.waits.length}</span>
            </span>
            <span class="faint">{time(d.at)} · #{d.victim} gave way</span>
          </button>
        ))}
      </div>
    </section>
  );
}
