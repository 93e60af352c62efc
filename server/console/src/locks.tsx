// Which instances are waited for most, which locks are held now, and timers.
import { useState } from "preact/hooks";
import { Meter } from "./compare";
import { count, duration, plural, visible } from "./format";
import type { Claim, Locks } from "./types";
import { Empty, Instance, Loading, Owner, Term } from "./ui";

export function LocksView({ data }: { data?: Locks }) {
  const [all, setAll] = useState(false);
  if (!data) return <Loading what="Looking at locks" />;
  const most = data.hot[0]?.waited ?? 1;
  const sum = data.hot.reduce((total, h) => total + h.waited, 0) || 1;
  const hot = all ? data.hot : data.hot.slice(0, 12);
  return (
    <section aria-label="Hot keys and locks">
      <div class="card">
        <h2>Hot keys</h2>
        <p class="faint">Where calls have waited for a <Term of="lock" /> since somebody has had a console open. An instance that many wait for slows down all that use it.</p>
        {data.hot.length === 0 ? <Empty title="No waits">No call has had to wait for a lock.</Empty> : (
          <div class="scroll">
            <table class="numbers">
              <thead><tr><th>instance</th><th>waits</th><th>waited in all</th><th>on average</th><th>longest</th><th class="bar">share</th></tr></thead>
              <tbody>
                {hot.map((h) => (
                  <tr key={`${h.address.type}\n${h.address.id}`}>
                    <td><Instance of={h.address} /></td>
                    <td>{count(h.waits)}</td>
                    <td>{duration(h.waited)}</td>
                    <td>{duration(h.waited / h.waits)}</td>
                    <td>{duration(h.longest)}</td>
                    <td class="bar"><Meter part={h.waited / most} label="time waited, of the hottest" tone="warn" /> {Math.round((h.waited / sum) * 100)} %</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
        {data.hot.length > 12 && <button type="button" onClick={() => setAll(!all)}>{all ? "Show the first 12" : `Show all ${data.hot.length}`}</button>}
      </div>
      <div class="card">
        <h2>Held now <span class="faint">{count(data.lockCount)}</span></h2>
        {data.locks.length === 0 ? <Empty title="No locks">Nobody holds or waits for a lock at this moment. Most locks are held for less than a millisecond.</Empty> : (
          <div class="scroll">
            <table>
              <thead><tr><th>instance</th><th>held by</th><th>mode</th><th>for</th><th>waiting</th></tr></thead>
              <tbody>
                {data.locks.map((l) => (
                  <tr key={`${l.address.type}\n${l.address.id}`}>
                    <td><Instance of={l.address} /></td>
                    <td><Claims claims={l.holders} all={l.holderCount} /></td>
                    <td>{l.holders[0] && <Term of={l.holders[0].mode === "shared" ? "shared" : "exclusive"} />}</td>
                    <td>{l.holders[0] ? duration(Math.max(0, data.at - l.holders[0].since)) : ""}</td>
                    <td>{l.waiterCount === 0 ? <span class="faint">nobody</span> : <Claims claims={l.waiters} all={l.waiterCount} />}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
        {data.lockCount > data.locks.length && <p class="faint">The first {data.locks.length} of {count(data.lockCount)}, those with the most waiters first.</p>}
      </div>
      <div class="card">
        <h2><Term of="timers">Timers</Term> <span class="faint">{count(data.timerCount)}</span></h2>
        {data.timers.length === 0 ? <Empty title="No timers">No instance has sent a message to a later time.</Empty> : (
          <div class="scroll">
            <table>
              <thead><tr><th>due</th><th>set by</th><th>will send</th></tr></thead>
              <tbody>
                {data.timers.map((t, i) => (
                  <tr key={i}><td>{t.due > data.at ? `in ${duration(t.due - data.at)}` : "now"}</td><td><Instance of={t.from} /></td><td><code>{visible(t.message, 120)}</code></td></tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
        {data.timerCount > data.timers.length && <p class="faint">The next {plural(data.timers.length, "one", "ones")}.</p>}
      </div>
    </section>
  );
}

function Claims({ claims, all }: { claims: Claim[]; all: number }) {
  return (
    <>
      {claims.slice(0, 4).map((c) => <span class="part" key={`${c.owner}-${c.attempt}`}><Owner number={c.owner} attempt={c.attempt} /></span>)}
      {all > 4 && <span class="faint">and {count(all - 4)} more</span>}
    </>
  );
}
