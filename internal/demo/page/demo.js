// The page of the demo: it shows the state that the server sends, and sends what buttons ask for.
"use strict";

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const phases = { starting: "starting", running: "running", down: "down", checking: "asking again for what was acknowledged", failed: "does not start" };
const titles = { saga: "Sagas", serializable: "Serializable transactions" };
const $ = (id) => document.getElementById(id);
let connected = false;

function element(name, className, text) {
	const e = document.createElement(name);
	if (className) e.className = className;
	if (text !== undefined) e.textContent = text;
	return e;
}

function milliseconds(ms) {
	return ms === undefined ? "–" : ms < 10 ? ms.toFixed(1) + " ms" : whole.format(ms) + " ms";
}

// counted says what came of the last count of a side.
function counted(side, now) {
	const m = side.money;
	if (m.counted.startsWith("0001")) return "not counted yet";
	const ago = Math.max(0, (Date.parse(now) - Date.parse(m.counted)) / 1000);
	const when = ago < 2 ? "just now" : ago.toFixed(0) + " s ago";
	const wrong = m.wrong === 0 ? "each account has what it must have" : m.wrong + " of " + m.accounts + " accounts are wrong";
	return "Counted " + when + ": " + whole.format(m.total) + " of " + whole.format(m.must) + ", and " + wrong;
}

// showMoney says whether the money adds up.
function showMoney(state) {
	const line = $("money");
	const known = state.sides.filter((s) => !s.money.counted.startsWith("0001"));
	const wrong = known.filter((s) => !s.adds).map((s) => s.name);
	const away = state.sides.filter((s) => s.phase === "down" || s.phase === "checking").map((s) => s.name);
	let text, look;
	if (wrong.length > 0) {
		[text, look] = ["The money does NOT add up: " + wrong.join(" and "), "bad"];
	} else if (known.length < state.sides.length) {
		[text, look] = ["The money has not been counted yet", ""];
	} else {
		const total = known.map((s) => whole.format(s.money.total) + " of " + whole.format(s.money.must)).join(" and ");
		const since = away.length > 0 ? "Before the plug was pulled the money added up: " : "The money adds up: ";
		[text, look] = [since + total + (away.length > 0 ? ". It is counted again when the engines are back." : ", account by account"), away.length > 0 ? "" : "good"];
	}
	line.className = "money " + look;
	if (line.textContent !== text) line.textContent = text;
}

function sideElement(side) {
	let e = document.querySelector(`[data-side="${side.name}"]`);
	if (!e) {
		e = $("side").content.firstElementChild.cloneNode(true);
		e.dataset.side = side.name;
		e.querySelector("h2").textContent = titles[side.name];
		$("sides").append(e);
	}
	return e;
}

function showSide(side, now) {
	const e = sideElement(side);
	const phase = e.querySelector(".phase");
	phase.textContent = phases[side.phase];
	phase.className = "phase " + side.phase;
	e.querySelector(".count").textContent = counted(side, now);
	const last = side.moments[side.moments.length - 1] || {};
	const values = {
		rate: whole.format(last.perSecond || 0), p50: milliseconds(last.p50), p99: milliseconds(last.p99), waits: whole.format(last.waits || 0),
		done: whole.format(side.done), halves: whole.format(side.halves) + " in " + whole.format(side.looks) + " looks",
	};
	for (const [name, value] of Object.entries(values)) e.querySelector(`[data-of="${name}"]`).textContent = value;
	const most = Math.max(1, ...side.moments.map((m) => m.perSecond));
	const points = side.moments.map((m, i) => `${300 - (side.moments.length - 1 - i) * (300 / 59)},${46 - 44 * (m.perSecond / most)}`);
	e.querySelector("polyline").setAttribute("points", points.join(" "));
	const process = e.querySelector(".process");
	const text = side.pid ? `Process ${side.pid}` + (side.starts > 1 ? `, the ${side.starts}. on this directory` : "") + ` at ${side.url}` : "No process";
	if (process.dataset.text !== text + side.console) {
		process.dataset.text = text + side.console;
		process.replaceChildren(text);
		if (side.console) {
			const link = element("a", "", "Look inside");
			link.href = side.console;
			process.append(" · ", link);
		}
	}
}

// circle shows who waited for whom.
function circle(cycle) {
	const list = element("ul", "circle");
	cycle.forEach((w) => {
		list.append(element("li", w.gaveWay ? "who victim" : "who", w.transfer + (w.gaveWay ? " (gave way)" : "")), element("li", "for", "waits for " + w.for + " →"));
	});
	list.append(element("li", "who", cycle[0].transfer));
	return list;
}

function eventElement(event) {
	const e = element("li", "event " + (event.side || "both") + (event.bad ? " bad" : ""));
	e.dataset.key = event.at + event.side;
	if (event.side) e.append(element("span", "of", titles[event.side]));
	const head = element("h3", "", event.title);
	const time = element("time", "", new Date(event.at).toLocaleTimeString("en-GB"));
	time.dateTime = event.at;
	head.append(time);
	e.append(head);
	if (event.cycle) e.append(circle(event.cycle));
	for (const line of event.lines || []) e.append(element("p", "", line));
	return e;
}

function showEvents(events) {
	$("quiet").hidden = events.length > 0;
	const list = $("events");
	const shown = new Map([...list.children].map((e) => [e.dataset.key, e]));
	const wanted = [...events].reverse().map((event) => shown.get(event.at + event.side) || eventElement(event));
	if (wanted.length !== list.children.length || wanted.some((e, i) => list.children[i] !== e)) list.replaceChildren(...wanted);
}

function showButtons(state) {
	const ready = connected && state && state.sides.every((s) => s.phase === "running");
	for (const button of document.querySelectorAll("button")) {
		const name = button.dataset.action;
		const busy = Boolean(state) && state.busy === name;
		button.disabled = !connected || (name === "hot" ? !ready && !state?.hot : !ready || Boolean(state.busy));
		button.classList.toggle("busy", busy);
		button.setAttribute("aria-busy", String(busy));
		if (name === "hot" && state) button.setAttribute("aria-pressed", String(state.hot));
	}
}

function show(state) {
	showMoney(state);
	for (const side of state.sides) showSide(side, state.now);
	showEvents(state.events);
	showButtons(state);
}

async function press(button) {
	button.disabled = true;
	let refusal = "";
	try {
		const answer = await fetch("/" + button.dataset.action, { method: "POST" });
		if (!answer.ok) refusal = await answer.text();
	} catch {
		refusal = "The demo does not answer.";
	}
	$("refusal").textContent = refusal;
	$("refusal").hidden = refusal === "";
}

for (const button of document.querySelectorAll("button")) button.addEventListener("click", () => press(button));

const source = new EventSource("/state");
source.onmessage = (message) => {
	connected = true;
	show(JSON.parse(message.data));
};
source.onerror = () => {
	connected = false;
	showButtons(null);
	$("money").className = "money";
	$("money").textContent = "The demo has ended, or does not answer. This page goes on by itself when it is back.";
};
