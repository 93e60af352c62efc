// Transactions: those that are under way, and the courses of some that are over, with a lane for each participant.
import { useEffect, useRef, useState } from "preact/hooks";
import { may, procedure, type Session } from "./api";
import { count, duration, plural, shortName, time, visible } from "./format";
import type { Address, Trace, Traced, Transactions } from "./types";
import { arrows, Ask, Empty, Instance, Loading, type Question, Term, useWidth } from "./ui";

type Filter = "all" | "waited" | "retried" | "failed";

const filters: Record<Filter, (t: Trace) => boolean> = {
  all: () => true,
  waited: (t) => t.calls.some((c) => c.waitEnded > 0),
  retried: (t) => t.attempts > 1,
  failed: (t) => !t.committed,
};

type ViewProps = { data?: Transactions; argument: string; session: Session; say: (text: string) => void };

export function TransactionsView({ data, argument, session, say }: ViewProps) {
  const [filter, setFilter] = useState<Filter>("all");
  const kept = useRef<Trace | undefined>(undefined);
  const found = data?.traces.find((t) => t.id === argument);
  if (found) kept.current = found;
  const shown = found ?? (kept.current?.id === argument ? kept.current : undefined);
  if (!data) return <Loading what="Looking at transactions" />;
  const traces = data.traces.filter(filters[filter]);
  const running = data.running.find((t) => t.id === argument);
  return (
    <div class="columns">
      <section class="card side" aria-label="Transactions">
        <h2>Some that are over</h2>
        <div class="choices" role="group" aria-label="Which ones">
          {(Object.keys(filters) as Filter[]).map((f) => (
            <button type="button" key={f} aria-pressed={f === filter} onClick={() => setFilter(f)}>{f === "all" ? "all" : f === "waited" ? "had to wait" : f}</button>
          ))}
        </div>
        {traces.length === 0 && (
          <Empty title={filter === "all" ? "None yet" : "None of these"}>
            While this page is open, some of the <Term of="transaction">transactions</Term> that run are followed. Run one, or wait for the next ones.
          </Empty>
        )}
        <div class="rows" onKeyDown={arrows}>
          {traces.slice(0, 60).map((t) => (
            <button type="button" class="row" key={t.id} aria-pressed={t.id === argument} onClick={() => { location.hash = `#/transactions/${t.id}`; }}>
              <span>
                <span class="number">#{t.id}</span> {shortName(visible(t.function, 40))}{" "}
                {!t.committed && <span class="tag bad">aborted</span>} {t.attempts > 1 && <span class="tag warn">{t.attempts} attempts</span>}
              </span>
              <span class="faint">{duration(t.decided)}{t.waited > 0 ? `, waited ${duration(t.waited)}` : ""} · {time(t.began)}</span>
            </button>
          ))}
        </div>
      </section>
      <section class="grow" aria-label="The transaction">
        {shown ? (
          <Course trace={shown} />
        ) : argument && !running ? (
          <Empty title={`#${argument} is not among those that were followed`}>
            It is over, and nobody looked when it began; or it runs for so short a time that it was missed. <a href="#/transactions">All transactions</a>
          </Empty>
        ) : (
          !argument && <Empty title="Choose a transaction">Its course is shown here: each <Term of="participant" /> with its calls, waits and votes, then the <Term of="decision" />, and when it was <Term of="sealed" />.</Empty>
        )}
        <UnderWay data={data} chosen={argument} session={session} say={say} />
      </section>
    </div>
  );
}

type UnderWayProps = { data: Transactions; chosen: string; session: Session; say: (text: string) => void };

function UnderWay({ data, chosen, session, say }: UnderWayProps) {
  const [question, setQuestion] = useState<Question>(); // kept here: it stays when its transaction ends meanwhile
  const cancels = may(session.role, "operator");
  const ask = (id: string) => setQuestion({
    title: `Cancel transaction #${id}?`, yes: "Cancel the transaction", danger: true,
    body: <p>If it is not <Term of="decision">decided</Term> yet it is aborted: <strong>nothing of it happens</strong>, and others get its locks. Whoever waits for it is told that it was cancelled.</p>,
    run: async () => {
      await procedure("OperatorService", "CancelTransaction", { id });
      say(`Transaction #${id} was cancelled.`);
    },
  });
  return (
    <div class="card">
      <h2>Under way now <span class="faint">{count(data.count)}</span></h2>
      {data.count === 0 ? (
        <p class="faint">None. Most begin and end between two looks.</p>
      ) : (
        <div class="scroll">
          <table>
            <thead><tr><th>transaction</th><th>function</th><th>request id</th><th>attempt</th><th>for</th><th>participants</th>{cancels && <th />}</tr></thead>
            <tbody>
              {data.running.slice(0, 30).map((t) => (
                <tr key={t.id} class={t.id === chosen ? "chosen" : ""}>
                  <td class="number">#{t.id}{t.doomed && <span class="tag bad"> gives way</span>}</td>
                  <td>{visible(t.function, 60)}</td>
                  <td><code>{visible(t.request, 40)}</code></td>
                  <td>{t.attempt}</td>
                  <td>{duration(Math.max(0, Date.now() - t.began))}</td>
                  <td>{t.parts.slice(0, 4).map((p) => <span class="part" key={`${p.address.type}\n${p.address.id}`}><Instance of={p.address} /></span>)}{t.partCount > 4 && <span class="faint">and {t.partCount - 4} more</span>}</td>
                  {cancels && <td><button type="button" class="danger" onClick={() => ask(t.id)}>Cancel…</button></td>}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {data.count > 30 && <p class="faint">The first 30 of {count(data.count)}.</p>}
      {question && <Ask question={question} close={() => setQuestion(undefined)} />}
    </div>
  );
}

const laneHeight = 34;
const headHeight = 26;
const shownLanes = 40;

type Lane = { address: Address; calls: Traced[] };

function lanesOf(t: Trace): Lane[] {
  const lanes = new Map<string, Lane>();
  for (const c of t.calls) {
    const key = `${c.address.type}\n${c.address.id}`;
    const lane = lanes.get(key) ?? { address: c.address, calls: [] };
    lanes.set(key, lane);
    lane.calls.push(c);
  }
  return [...lanes.values()];
}

function Course({ trace: t }: { trace: Trace }) {
  const [chosen, setChosen] = useState<Traced>();
  const box = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(760);
  const windowWidth = useWidth();
  useEffect(() => { if (box.current) setWidth(Math.max(420, box.current.clientWidth)); }, [windowWidth, t.id]);
  useEffect(() => setChosen(undefined), [t.id]);
  const lanes = lanesOf(t);
  const label = Math.min(190, width * 0.3);
  const end = width - 12;
  const decidedAt = label + (end - label) * 0.74;
  const x = (ms: number) => label + (ms / Math.max(t.decided, 1e-6)) * (decidedAt - label);
  const height = headHeight + Math.min(lanes.length, shownLanes) * laneHeight + 28;
  const attempts = attemptsOf(t);
  return (
    <div class="card">
      <h2><span class="number">#{t.id}</span> {visible(t.function)} {t.committed ? <span class="tag good">committed</span> : <span class="tag bad">aborted</span>}</h2>
      <p class="facts">
        {t.request && <span><Term of="request id" /> <code>{visible(t.request, 60)}</code></span>}
        <span><Term of="decision">decided</Term> after {duration(t.decided)}</span>
        <span><Term of="sealed" /> {duration(t.sealed - t.decided)} later</span>
        <span>{plural(t.attempts, "attempt")}</span>
        <span><Term of="epoch" /> {t.epoch}</span>
        <span class="faint">{time(t.began)}</span>
      </p>
      {!t.committed && <div class="problem"><strong>{visible(t.failure, 400)}</strong></div>}
      <div ref={box} class="scroll">
        <svg class="course" width={width} height={height} viewBox={`0 0 ${width} ${height}`} role="group" aria-label="The course of the transaction">
          {attempts.map((a) => (
            <g key={a.number}>
              {a.number % 2 === 0 && <rect class="attempt" x={x(a.from)} y="0" width={Math.max(1, x(a.to) - x(a.from))} height={height - 22} />}
              {t.attempts > 1 && x(a.to) - x(a.from) > 30 && <text class="note" x={x(a.from) + 4} y="15">{x(a.to) - x(a.from) > 70 ? `attempt ${a.number}` : a.number}</text>}
            </g>
          ))}
          {lanes.slice(0, shownLanes).map((lane, i) => {
            const y = headHeight + i * laneHeight;
            return (
              <g key={`${lane.address.type}\n${lane.address.id}`}>
                <line class="lane" x1={label} x2={end} y1={y + laneHeight / 2} y2={y + laneHeight / 2} />
                <text x="4" y={y + laneHeight / 2 + 1}>{cut(visible(lane.address.id) || "(empty)", label)}</text>
                <text class="note" x="4" y={y + laneHeight / 2 + 13}>{cut(visible(lane.address.type), label)}</text>
                {lane.calls.map((c, n) => <Span key={n} call={c} x={x} y={y} chosen={c === chosen} choose={() => setChosen(c === chosen ? undefined : c)} end={attempts[c.attempt - 1]?.to ?? t.decided} />)}
              </g>
            );
          })}
          <line class="decision" x1={decidedAt} x2={decidedAt} y1="2" y2={height - 22} />
          <text class="note" x={decidedAt + 4} y="15">{t.committed ? "commit" : "abort"}</text>
          <rect class="seal" x={decidedAt} y={headHeight} width={end - decidedAt} height={height - headHeight - 24} />
          <line class="sealed" x1={end} x2={end} y1="2" y2={height - 22} />
          <text class="note" x={end - 4} y="15" text-anchor="end">sealed</text>
          <text class="note" x={label} y={height - 6}>0</text>
          <text class="note" x={decidedAt} y={height - 6} text-anchor="middle">{duration(t.decided)}</text>
          <text class="note" x={end} y={height - 6} text-anchor="end">{duration(t.sealed)}</text>
        </svg>
      </div>
      <p class="legend faint">
        <span class="swatch call" /> call and <Term of="vote" /> <span class="swatch wait" /> waits for the <Term of="lock" /> <span class="swatch held" /> locked until the decision{" "}
        <span class="swatch no" /> voted no, or gave way
      </p>
      <p class="legend faint">Behind the decision the scale is another one.</p>
      {lanes.length > shownLanes && <p class="faint">The first {shownLanes} of {lanes.length} participants.</p>}
      {t.callCount > t.calls.length && <p class="faint">The first {t.calls.length} of {count(t.callCount)} calls.</p>}
      {chosen && <CallFacts call={chosen} />}
      <details>
        <summary>As a table</summary>
        <div class="scroll">
          <table>
            <thead><tr><th>attempt</th><th>participant</th><th>operation</th><th>mode</th><th>sent</th><th>waited</th><th>back</th><th>vote</th></tr></thead>
            <tbody>
              {t.calls.map((c, i) => (
                <tr key={i}>
                  <td>{c.attempt}</td><td><Instance of={c.address} /></td><td>{operation(c)}</td><td>{c.mode}</td><td>{duration(c.sent)}</td>
                  <td>{c.waitEnded > 0 ? duration(c.waitEnded - c.waitBegan) : "–"}</td><td>{duration(c.back)}</td><td>{c.vote}{c.failure && `: ${visible(c.failure, 120)}`}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </details>
    </div>
  );
}

function operation(c: Traced): string {
  return c.operation ? visible(c.operation, 80) : "takes the lock up front";
}

function attemptsOf(t: Trace): { number: number; from: number; to: number }[] {
  const all: { number: number; from: number; to: number }[] = [];
  for (let number = 1; number <= t.attempts; number++) {
    const from = number === 1 ? 0 : Math.min(...t.calls.filter((c) => c.attempt === number).map((c) => c.sent), t.decided);
    const last = all[all.length - 1];
    if (last) last.to = from;
    all.push({ number, from, to: t.decided });
  }
  return all;
}

function Span({ call: c, x, y, chosen, choose, end }: { call: Traced; x: (ms: number) => number; y: number; chosen: boolean; choose: () => void; end: number }) {
  const back = c.back || end;
  const width = Math.max(3, x(back) - x(c.sent));
  const middle = y + laneHeight / 2;
  const waits = c.waitEnded > 0;
  return (
    <g
      class={`span ${c.vote === "yes" ? "" : "no"} ${chosen ? "chosen" : ""}`}
      tabindex={0}
      role="button"
      aria-label={`${operation(c)}, attempt ${c.attempt}, from ${duration(c.sent)} to ${duration(back)}, vote ${c.vote}`}
      aria-pressed={chosen}
      onClick={choose}
      onKeyDown={(e) => {
        if (e.key === "Enter" || e.key === " ") {
          e.preventDefault();
          e.stopPropagation();
          choose();
        }
      }}
    >
      {c.vote === "yes" && <rect class="held" x={x(back)} y={middle - 3} width={Math.max(0, x(end) - x(back))} height="6" />}
      <rect class="call" x={x(c.sent)} y={middle - 9} width={width} height="18" rx="3" />
      {waits && <rect class="wait" x={x(c.waitBegan)} y={middle - 9} width={Math.max(2, x(c.waitEnded) - x(c.waitBegan))} height="18" rx="2" />}
      {c.vote === "yes" ? null : <text class="mark" x={x(c.sent) + width + 3} y={middle + 4}>✕</text>}
    </g>
  );
}

function CallFacts({ call: c }: { call: Traced }) {
  return (
    <div class="card inner" aria-live="polite">
      <h3>{operation(c)} at <Instance of={c.address} /></h3>
      <p class="facts">
        <span>attempt {c.attempt}</span>
        <span><Term of={c.mode === "shared" ? "shared" : "exclusive"} /></span>
        <span>sent at {duration(c.sent)}</span>
        {c.waitEnded > 0 && <span>waited for the lock for {duration(c.waitEnded - c.waitBegan)}</span>}
        <span>answered at {duration(c.back)}</span>
        <span>vote: {c.vote || "none yet"}</span>
      </p>
      {c.failure && <p>{visible(c.failure, 400)}</p>}
      {c.vote === "gave way" && <p class="faint">The call was taken back: the transaction had to give way to others, or had failed elsewhere.</p>}
    </div>
  );
}

function cut(text: string, width: number): string {
  const most = Math.max(6, Math.floor(width / 7.2));
  const letters = Array.from(text);
  return letters.length > most ? letters.slice(0, most - 1).join("") + "…" : text;
}
