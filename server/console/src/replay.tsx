// A past deadlock, step by step.
import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { duration, shortName, time, visible } from "./format";
import type { Deadlock, Wait } from "./types";
import { Instance, Term } from "./ui";

type Scene = { waits: Set<number>; closed: boolean; victim: boolean; freed: boolean; text: ComponentChildren };

const drawn = 12; // waits of a circle that fit into the picture

/** Why the victim is the one that gives way, as the end of a sentence that begins with its number. */
export function victimReason(d: Deadlock): string {
  const others = d.waits.filter((w) => w.attempt > 0).map((w) => w.transaction);
  const youngest = others.every((t) => BigInt(t) <= BigInt(d.victim));
  return youngest ? "gave way, as the youngest of them." : "gave way, as the youngest at which the circle could be broken.";
}

function scenesOf(d: Deadlock): Scene[] {
  const order = d.waits.map((_, i) => i).sort((a, b) => d.waits[a]!.since - d.waits[b]!.since);
  const start = d.waits[order[0] ?? 0]?.since ?? d.at;
  const name = (w: Wait) => <strong>{w.attempt === 0 ? `call ${w.transaction}` : `#${w.transaction}`}</strong>;
  const scenes: Scene[] = [{
    waits: new Set(), closed: false, victim: false, freed: false,
    text: <>
      {d.waits.filter((w) => w.holds).map((w) => <span key={w.transaction}><strong>#{w.blockedBy}</strong> holds <Instance of={w.for} />. </span>)}
      Nobody waits yet.
    </>,
  }];
  const waiting = new Set<number>();
  order.forEach((i) => {
    const w = d.waits[i]!;
    waiting.add(i);
    scenes.push({
      waits: new Set(waiting), closed: false, victim: false, freed: false,
      text: <>
        {name(w)} ({visible(w.function || "a call")}{w.attempt > 1 ? `, attempt ${w.attempt}` : ""}) asks for <Instance of={w.for} />, <Term of={w.mode === "shared" ? "shared" : "exclusive"} />.{" "}
        <strong>#{w.blockedBy}</strong> {w.holds ? "holds it" : "stands before it in the queue"}, so it waits. <span class="faint">{w.since > start ? `+${duration(w.since - start)}` : time(w.since)}</span>
      </>,
    });
  });
  const victim = d.waits.find((w) => w.transaction === d.victim);
  scenes.push({
    waits: new Set(waiting), closed: true, victim: false, freed: false,
    text: <>
      The circle is closed: each waits for the next one, and none could ever go on. It was noticed {duration(Math.max(0, d.at - d.closed))} later, in{" "}
      <Term of="epoch">epoch</Term> {d.epoch}, when there was nothing else left to do.
    </>,
  });
  scenes.push({
    waits: new Set(waiting), closed: true, victim: true, freed: false,
    text: <><strong>#{d.victim}</strong> is the <Term of="victim" />. It {victimReason(d)} What it had changed is undone, and its locks are given up.</>,
  });
  const next = d.waits.filter((w) => w.blockedBy === d.victim).map((w) => `#${w.transaction}`);
  scenes.push({
    waits: new Set([...waiting].filter((i) => d.waits[i]!.transaction !== d.victim && d.waits[i]!.blockedBy !== d.victim)), closed: false, victim: true, freed: true,
    text: <>
      {next.join(", ") || "The others"} gets the lock and goes on. <strong>#{d.victim}</strong> is run again
      {victim ? <>, as <Term of="attempt">attempt</Term> {victim.attempt + 1}</> : ""}: it takes the locks that it needed before up front, in one order, so that it does not meet the same again.
    </>,
  });
  return scenes;
}

export function Replay({ deadlock: d }: { deadlock: Deadlock }) {
  const scenes = scenesOf(d);
  const [at, setAt] = useState(0);
  const [plays, setPlays] = useState(true);
  const last = scenes.length - 1;
  useEffect(() => {
    if (!plays) return undefined;
    if (at === last) {
      setPlays(false);
      return undefined;
    }
    const timer = setTimeout(() => setAt(at + 1), 2200);
    return () => clearTimeout(timer);
  }, [plays, at, last]);
  const step = (by: number) => {
    setPlays(false);
    setAt((now) => Math.max(0, Math.min(last, now + by)));
  };
  useEffect(() => {
    const pressed = (e: KeyboardEvent) => {
      if (e.altKey || e.ctrlKey || e.metaKey || (e.target as HTMLElement).closest("input, textarea, select, dialog")) return;
      if (e.key === "ArrowRight") step(1);
      if (e.key === "ArrowLeft") step(-1);
      if (e.key === "Escape") location.hash = "#/graph";
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, [last]);
  const scene = scenes[at]!;
  return (
    <section aria-label="Replay of a deadlock">
      <p class="lead">
        <a href="#/graph">← Graph</a> A deadlock of {d.waits.length} at {time(d.at)}: <strong>#{d.victim}</strong> {victimReason(d)}
      </p>
      {d.waits.length <= drawn ? <Circle deadlock={d} scene={scene} /> : <p class="faint">The circle has {d.waits.length} waits, too many for a picture.</p>}
      <div class="narration card" aria-live="polite">
        <div class="faint">Step {at + 1} of {scenes.length}</div>
        <p>{scene.text}</p>
      </div>
      <div class="buttons left">
        <button type="button" onClick={() => step(-1)} disabled={at === 0}>← Back</button>
        <button type="button" class="primary" onClick={() => { if (at === last) setAt(0); setPlays(!plays); }}>{plays ? "Hold" : at === last ? "Play again" : "Play"}</button>
        <button type="button" onClick={() => step(1)} disabled={at === last}>Next →</button>
        <span class="faint keys">Arrow keys step, Escape goes back.</span>
      </div>
      <details>
        <summary>As a table</summary>
        <div class="scroll">
          <table>
            <thead><tr><th>who</th><th>function</th><th>request id</th><th>waits for</th><th>mode</th><th>because of</th><th>since</th></tr></thead>
            <tbody>
              {d.waits.map((w) => (
                <tr key={`${w.transaction}-${w.for.id}`} class={w.transaction === d.victim ? "victim" : ""}>
                  <td>#{w.transaction}{w.attempt > 1 ? `, attempt ${w.attempt}` : ""}{w.transaction === d.victim && <span class="tag bad"> victim</span>}</td>
                  <td>{visible(w.function)}</td>
                  <td><code>{visible(w.request)}</code></td>
                  <td><Instance of={w.for} /></td>
                  <td>{w.mode}</td>
                  <td>#{w.blockedBy} {w.holds ? "holds it" : "is before it"}</td>
                  <td>{duration(Math.max(0, d.at - w.since))} before</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </details>
    </section>
  );
}

/** The circle: who waits, and between each two what the one waits for and the other has. */
function Circle({ deadlock: d, scene }: { deadlock: Deadlock; scene: Scene }) {
  const n = d.waits.length;
  const radius = Math.max(120, n * 38);
  const size = { width: 2 * radius + 260, height: 2 * radius + 90 };
  const at = (turn: number) => {
    const angle = (turn / (2 * n)) * 2 * Math.PI - Math.PI;
    return { x: size.width / 2 + radius * Math.cos(angle), y: size.height / 2 + radius * Math.sin(angle) };
  };
  const line = (from: { x: number; y: number }, to: { x: number; y: number }) => {
    const [dx, dy] = [to.x - from.x, to.y - from.y];
    const reach = 1 / Math.max(Math.abs(dx) / 84, Math.abs(dy) / 22, 1e-6); // where the line leaves the box
    const end = Math.min(reach, 0.48);
    return `M${from.x + dx * end} ${from.y + dy * end}L${to.x - dx * end} ${to.y - dy * end}`;
  };
  return (
    <div class="scroll graph">
      <svg class={`replay ${scene.closed && !scene.freed ? "closed" : ""}`} width={size.width} height={size.height} viewBox={`0 0 ${size.width} ${size.height}`} role="img"
        aria-label={`${n} transactions in a circle`}>
        <defs>
          <marker id="replay-arrow" viewBox="0 0 8 8" refX="7" refY="4" markerUnits="userSpaceOnUse" markerWidth="10" markerHeight="10" orient="auto"><path d="M0 0L8 4L0 8z" /></marker>
        </defs>
        {d.waits.map((w, i) => {
          const [who, what, next] = [at(2 * i), at(2 * i + 1), at(2 * i + 2)];
          const gaveWay = scene.freed && w.transaction === d.victim;
          const passed = scene.freed && w.blockedBy === d.victim;
          return (
            <g key={i}>
              {scene.waits.has(i) && <path class={`edge waits ${scene.closed ? "circle" : ""}`} d={line(who, what)} marker-end="url(#replay-arrow)" />}
              {(!gaveWay || !scene.freed) && !passed && <path class={`edge holds ${w.holds ? "" : "queue"} ${scene.closed ? "circle" : ""}`} d={line(next, what)} />}
              {passed && <path class="edge holds" d={line(who, what)} />}
            </g>
          );
        })}
        {d.waits.map((w, i) => {
          const [who, what] = [at(2 * i), at(2 * i + 1)];
          const isVictim = scene.victim && w.transaction === d.victim;
          return (
            <g key={i}>
              <g class={`node ${isVictim ? "victim" : scene.waits.has(i) ? "waiter" : "runner"}`} transform={`translate(${who.x - 84} ${who.y - 22})`}>
                <rect width="168" height="44" rx="22" />
                <text x="84" y="19" text-anchor="middle">{w.attempt === 0 ? "call " : "#"}{w.transaction}</text>
                <text class="note" x="84" y="35" text-anchor="middle">{isVictim ? "gives way" : cut(shortName(visible(w.function || "plain call")))}</text>
              </g>
              <g class="node lock" transform={`translate(${what.x - 70} ${what.y - 20})`}>
                <rect width="140" height="40" rx="4" />
                <text x="70" y="17" text-anchor="middle">{cut(visible(w.for.id) || "(empty)", 18)}</text>
                <text class="note" x="70" y="33" text-anchor="middle">{cut(visible(w.for.type), 22)}</text>
              </g>
            </g>
          );
        })}
      </svg>
    </div>
  );
}

function cut(text: string, most = 20): string {
  const letters = Array.from(text);
  return letters.length > most ? letters.slice(0, most - 1).join("") + "…" : text;
}
