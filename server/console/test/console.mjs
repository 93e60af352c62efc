// What a person does with the console, in Debian's Chromium. server/console_test.go starts a server with something to show, and then this
// with the name of a scenario. A scenario that needs something done outside says so on standard output, and goes on when it is told to.
import assert from "node:assert/strict";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const url = process.env.CONSOLE_URL;
const tokens = JSON.parse(process.env.CONSOLE_TOKENS ?? "{}");
const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

/** Has something done outside, and returns what it says. */
async function outside(what) {
  process.stdout.write(`do ${what}\n`);
  const { value, done } = await answers.next();
  assert(!done, "the test has ended");
  return value;
}

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM,
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});

const trouble = [];

/** A page of the console. What goes wrong in it fails the scenario, unless it is expected to. */
async function open(hash = "", { expect = [], ...options } = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(30_000);
  const note = (text) => { if (!expect.some((e) => e.test(text))) trouble.push(text); };
  page.on("pageerror", (e) => note(`error in the page: ${e.message}`));
  page.on("console", (m) => { if (m.type() === "error" || m.type() === "warning") note(`the page says: ${m.text()}`); });
  page.on("dialog", (d) => { note(`a dialog: ${d.message()}`); void d.dismiss(); });
  page.on("request", (r) => {
    if (!r.url().startsWith(url) && !r.url().startsWith("data:")) note(`a request elsewhere: ${r.url()}`);
    for (const token of Object.values(tokens)) if (r.url().includes(token)) note("a token is in an address");
  });
  await page.goto(`${url}/console/${hash}`);
  return page;
}

const views = ["graph", "transactions", "sagas", "compare", "instances", "locks", "epochs", "metrics"];
const main = (page) => page.locator("main");
const see = (page, text) => main(page).getByText(text).first().waitFor();

/** Opens the stuck saga of a request, and returns the question that a button of it asks. */
async function ask(page, request, button) {
  await page.goto(`${url}/console/#/sagas`);
  await page.getByRole("button", { name: /^stuck/ }).click();
  await page.locator("button.row", { hasText: request }).click(); // by its request: the list changes meanwhile
  await page.locator(".facts code", { hasText: request }).first().waitFor();
  await page.getByRole("button", { name: button }).click();
  return page.getByRole("dialog");
}

const scenarios = {
  /** Each view shows what goes on, and can be reached by name, by key and by address. */
  async views() {
    const page = await open();
    await page.waitForURL(/console\/$/);
    await page.getByRole("link", { name: "Waits" }).waitFor();
    await see(page, /call waits|calls wait|Nobody waits now/);
    await page.locator(".side button.row").first().waitFor();

    await page.keyboard.press("2");
    await see(page, "Some that are over");
    await page.getByRole("button", { name: "retried" }).click();
    await page.locator("button.row").first().click();
    await page.locator("svg.course .span").first().waitFor();
    await see(page, /attempts/);
    assert(await page.locator("svg.course .lane").count() >= 2, "a lane for each participant");
    await page.locator("svg.course .span").first().focus();
    await page.keyboard.press("Enter");
    await page.locator(".card.inner").getByText(/vote:/).waitFor();
    await page.getByText("As a table").click();
    assert((await page.locator("details table").textContent()).includes("gave way"), "an attempt that gave way");

    await page.getByRole("link", { name: "Sagas" }).click();
    await page.getByRole("button", { name: /^stuck [1-9]/ }).click();
    await page.locator("button.row").first().click();
    await see(page, "its compensation fails");
    await see(page, "drawer: nothing in it");

    await page.getByRole("link", { name: "Side by side" }).click();
    await see(page, "Transfers between a thousand accounts");
    assert.match(await page.locator(".card", { hasText: "saga" }).first().textContent(), /17 of 400 looks/);
    assert.match(await page.locator(".card", { hasText: "serializable" }).last().textContent(), /It adds up: 1000 of 1000/);

    await page.keyboard.press("6");
    await see(page, "Hot keys");
    await page.locator("table.numbers tbody tr").first().waitFor();

    await page.keyboard.press("7");
    await page.locator("svg.chart .size").first().waitFor({ state: "attached" });
    await see(page, "Epochs a second");

    await page.keyboard.press("8");
    await see(page, "Requests a second");
    await page.waitForFunction(() => [...document.querySelectorAll(".tile")].some((t) => /Requests a second[1-9]/.test(t.textContent)));
    await main(page).getByRole("row", { name: /test\/cross/ }).waitFor();

    await page.keyboard.press("?");
    await page.getByRole("dialog").getByText("hold what is shown").waitFor();
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "detached" });
    const term = page.locator(".term").first();
    await term.focus();
    await page.locator(".hint").waitFor();
    assert((await page.locator(".hint").textContent()).length > 20, "a hint says what a word means");
  },

  /** A deadlock lights up when it happens, and can be replayed step by step; the victim and the reason are named. */
  async deadlock() {
    const page = await open();
    await page.locator(".side").getByText("None so far").waitFor();
    const [victim, older] = (await outside("deadlock")).split(" ");
    await page.locator(".alarm", { hasText: `#${victim} gave way, as the youngest of them.` }).waitFor();
    await page.locator(".alarm").getByRole("link", { name: "Replay it" }).click();
    await page.getByRole("button", { name: "Hold" }).last().click();
    const steps = [/Nobody waits yet/, /so it waits/, /so it waits/, /The circle is closed/, new RegExp(`#${victim} is the victim`), /is run again, as attempt 2/];
    const narration = page.locator(".narration");
    for (let i = 0; i < 6; i++) await page.keyboard.press("ArrowLeft");
    for (const [i, step] of steps.entries()) {
      await narration.getByText(`Step ${i + 1} of ${steps.length}`).waitFor();
      assert.match(await narration.textContent(), step);
      const circle = await page.locator("svg.replay .edge.waits").count();
      assert.equal(circle, [0, 1, 2, 2, 2, 0][i], `lines of those who wait in step ${i + 1}`);
      assert.equal(await page.locator("svg.replay .node.victim").count(), i >= 4 ? 1 : 0);
      await page.keyboard.press("ArrowRight");
    }
    await page.getByText("As a table").click();
    const table = await page.locator("details table").textContent();
    assert(table.includes(`#${older}`) && table.includes("victim") && table.includes("test/cross"), table);
    await page.keyboard.press("Escape");
    await page.locator(".side button.row").first().waitFor();
    await page.goto(`${url}/console/#/graph/no-such-one`);
    await see(page, "This deadlock is no longer listed");
  },

  /** A person decides about stuck sagas, and cancels one that runs; nothing happens before a yes. */
  async sagas() {
    const page = await open("#/sagas", { expect: [/409|404/] });
    let dialog = await ask(page, "stuck-retry", "Retry…");
    await dialog.getByText("These run once more").waitFor();
    await page.keyboard.press("Escape");
    await dialog.waitFor({ state: "detached" });
    assert.equal(await outside("phase stuck-retry"), "stuck", "nothing happens without a yes");
    await outside("mend");
    await page.getByRole("button", { name: "Retry…" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Retry" }).click();
    await page.getByText(/tries again/).waitFor();
    await see(page, /It was stuck when it was last seen|is over/);
    assert.equal(await outside("phase stuck-retry"), "failed");

    dialog = await ask(page, "stuck-skip", "Skip…");
    await dialog.getByText("what their steps did stays").waitFor();
    await dialog.getByRole("button", { name: "Skip" }).click();
    await page.getByText("goes on without them").waitFor();
    assert.equal(await outside("phase stuck-skip"), "failed");

    dialog = await ask(page, "stuck-done", "Mark done…");
    await dialog.getByText("somebody has undone by hand").waitFor();
    await outside("decide stuck-done"); // somebody else was faster
    await dialog.getByRole("button", { name: "Mark done" }).click();
    await dialog.getByRole("alert").waitFor();
    await dialog.getByRole("button", { name: "Cancel" }).click();
    assert.equal(await outside("phase stuck-done"), "failed");

    await page.goto(`${url}/console/#/sagas`);
    await page.getByRole("button", { name: /^running/ }).click();
    await page.locator("button.row").first().click();
    await page.getByRole("button", { name: "Cancel…" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Cancel the saga" }).click();
    await page.getByText("was asked to stop").waitFor();
    assert.equal(await outside("phase sleeps"), "failed");
  },

  /** A person cancels a transaction that does not end; nothing happens before a yes. */
  async cancel() {
    const page = await open("#/transactions", { expect: [/404/] });
    const row = (request) => page.getByRole("row", { name: new RegExp(request) });
    await row("lasts-1").getByRole("button", { name: "Cancel…" }).click();
    await page.getByRole("dialog").getByText("nothing of it happens").waitFor();
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "detached" });
    assert.equal(await outside("state lasts-1"), "running", "nothing happens without a yes");
    await row("lasts-1").getByRole("button", { name: "Cancel…" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Cancel the transaction" }).click();
    await page.getByText(/was cancelled/).waitFor();
    await row("lasts-1").waitFor({ state: "detached" });
    assert.equal(await outside("state lasts-1"), "failed");
    await row("lasts-2").getByRole("button", { name: "Cancel…" }).click();
    await outside("end lasts-2"); // it ends while the question is there
    await page.getByRole("dialog").getByRole("button", { name: "Cancel the transaction" }).click();
    await page.getByRole("dialog").getByRole("alert").waitFor();
    await page.getByRole("dialog").getByRole("button", { name: "Cancel", exact: true }).click();
    assert.equal(await outside("state lasts-2"), "succeeded");
  },

  /** Instances are found by type and prefix; operations are called from forms made from their types. */
  async instances() {
    const page = await open("#/instances/test%2Fdrawer", { expect: [/status of 4/] });
    await page.locator("button.row", { hasText: "d-big" }).waitFor();
    await page.getByLabel("Ids that begin with").fill("d-b");
    await page.waitForFunction(() => document.querySelectorAll("button.row").length === 1);
    await page.locator("button.row").click();
    await page.locator("pre.json").getByText("9007199254740993").waitFor();

    const call = (name) => page.locator("details.call", { has: page.locator("strong", { hasText: new RegExp(`^${name}$`) }) });
    await call("count").locator("summary").click();
    await call("count").locator("input").fill("12x");
    await call("count").getByText("A whole number").waitFor();
    assert(await call("count").getByRole("button", { name: "Call" }).isDisabled(), "what is no number is not sent");
    await call("count").locator("input").fill("9007199254740993");
    await call("count").getByRole("button", { name: "Call" }).click();
    await call("count").locator(".answer").getByText("9007199254740994").waitFor();

    await call("put").locator("summary").click();
    await call("put").getByLabel("Text", { exact: true }).fill('quoted " and \\ <b>');
    await call("put").getByLabel("Small", { exact: true }).fill("300");
    await call("put").getByRole("button", { name: "Call" }).click();
    await call("put").getByRole("alert").locator("code", { hasText: "/Small" }).waitFor();
    assert.equal(await call("put").getByLabel("Small", { exact: true }).getAttribute("aria-invalid"), "true", "the field that is wrong is marked");
    await call("put").getByLabel("Small", { exact: true }).fill("255");
    await call("put").getByLabel("At", { exact: true }).fill("2026-01-02T03:04:05Z");
    await call("put").getByLabel("Maybe", { exact: true }).check();
    await call("put").locator("fieldset", { hasText: "List" }).first().getByRole("button", { name: "Add" }).click();
    await call("put").getByRole("button", { name: "Call" }).click();
    await call("put").getByText("It has no result").waitFor();
    assert.deepEqual(JSON.parse(await outside("state d-big")), {
      Text: 'quoted " and \\ <b>', Small: 255, At: "2026-01-02T03:04:05Z", Maybe: true, List: 1,
    });

    await call("last").locator("summary").click();
    await call("last").getByRole("button", { name: "Ask" }).click();
    await call("last").locator(".answer pre").getByText('"2026-01-02T03:04:05Z"').waitFor();

    await call("clear out").locator("summary").click();
    await call("clear out").getByRole("button", { name: "Call…" }).click();
    await page.getByRole("dialog").getByText("will be gone").waitFor();
    await page.getByRole("dialog").getByRole("button", { name: "Cancel" }).click();
    await page.locator("pre.json").first().waitFor();
    await call("clear out").getByRole("button", { name: "Call…" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Call" }).click();
    await see(page, "It is not there");

    await page.locator("select").selectOption("run/bank/transfer");
    await page.getByLabel("From", { exact: true }).fill("alice");
    await page.getByLabel("To", { exact: true }).fill("bob");
    await page.getByLabel("Amount", { exact: true }).fill("7");
    await page.getByRole("button", { name: "Run" }).click();
    await see(page, "It has no result");
    assert.equal(await outside("balance bob"), "107");
    await page.getByRole("button", { name: "Write it as JSON" }).click();
    await page.locator("textarea").fill('{"From":"alice","To":"bob","Amount":1000000}');
    await page.getByRole("button", { name: "Run" }).click();
    await page.getByRole("alert").getByText("insufficient funds").first().waitFor();
    await page.locator("textarea").fill('{"From":');
    assert(await page.getByRole("button", { name: "Run" }).isDisabled(), "what is no JSON is not sent");
  },

  /** Ids and failures of all kinds are shown as text, and lead to what they name. */
  async hostile() {
    const ids = JSON.parse(process.env.CONSOLE_IDS);
    const page = await open("#/instances/test%2Fdrawer", { expect: [/status of 4/] });
    await page.locator("button.row").nth(ids.length - 1).waitFor();
    assert.equal(await page.locator("button.row").count(), ids.length);
    for (const id of ids) {
      await page.goto(`${url}/console/#/instances/test%2Fdrawer/${encodeURIComponent(id)}`);
      await page.locator("pre.json").getByText('"Count"').waitFor();
      const call = page.locator("details.call", { has: page.locator("strong", { hasText: /^count$/ }) });
      await call.locator("summary").click();
      await call.locator("input").fill("1");
      await call.getByRole("button", { name: "Call" }).click();
      await call.locator(".answer").getByText("2").waitFor();
    }
    const text = await main(page).textContent();
    assert(!/[\u202a-\u202e\u2066-\u2069\u0000-\u0008]/.test(text), "nothing turns the text around");
    await page.goto(`${url}/console/#/sagas`);
    await page.locator("button.row").first().click();
    await see(page, "<script>alert(1)</script>");
    for (const hash of ["#/instances/%E0%A4%A/x", "#/graph/<img src=x>", "#/transactions/<svg onload=alert(1)>", "#/sagas/99999999999999999999999", "#/nothing", "#/instances/run/nothing"]) {
      await page.goto(`${url}/console/${hash}`);
      await page.locator("main h1").waitFor();
      await page.waitForTimeout(200);
    }
    assert.equal(await page.locator("main img, main script, main b").count(), 0, "nothing of it became a part of the page");
    assert(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), "a long id does not make the page wider");
  },

  /** A token is asked for where one is needed, is in no address, and is gone with the tab. Roles see what they may do. */
  async roles() {
    const page = await open("", { expect: [/status of 40/] });
    await page.getByLabel("Token").fill("concordat_wrong");
    await page.getByRole("button", { name: "Enter" }).click();
    await page.getByRole("alert").getByText("the token is not known").waitFor();
    await page.getByLabel("Token").fill(tokens.reader);
    await page.getByRole("button", { name: "Enter" }).click();
    await page.getByText("live", { exact: true }).waitFor();
    assert(!page.url().includes(tokens.reader) && !(await page.content()).includes(tokens.reader), "the token is not to be seen");
    assert(!JSON.stringify(await page.evaluate(() => ({ ...localStorage }))).includes(tokens.reader) && (await page.context().cookies()).length === 0);
    await page.goto(`${url}/console/#/sagas`);
    await page.locator("button.row").first().click();
    assert(await page.getByRole("button", { name: "Retry…" }).isDisabled());
    await see(page, "Only an operator can decide");
    await page.goto(`${url}/console/#/instances/bank%2Faccount/alice`);
    await page.locator("details.call", { hasText: "debit" }).locator("summary").click();
    await page.locator("details.call[open]").getByText("Your role may only read").waitFor();
    await page.getByRole("button", { name: "Leave" }).click();
    await page.getByLabel("Token").fill(tokens.operator);
    await page.keyboard.press("Enter");
    await page.goto(`${url}/console/#/sagas`);
    await page.locator("button.row").first().click();
    assert(await page.getByRole("button", { name: "Retry…" }).isEnabled());
    await page.reload();
    await page.getByText("live", { exact: true }).waitFor();
    const other = await (await page.context().newPage());
    await other.goto(`${url}/console/`);
    await other.getByLabel("Token").waitFor();
  },

  /** When the server goes away the page says so and keeps what it shows; when it is back the page goes on. */
  async away() {
    const page = await open("#/metrics", { expect: [/Failed to load resource|ERR_|net::/] });
    await see(page, "Requests a second");
    await outside("stop");
    await page.getByRole("alert").getByText("The server does not answer").waitFor();
    await see(page, "Requests a second");
    await page.getByText("not connected").waitFor();
    await page.keyboard.press("5");
    await page.getByRole("alert").getByText("The server does not answer").waitFor();
    await page.keyboard.press("8");
    const before = await outside("start");
    assert.equal(before, "ok");
    await page.getByText("live", { exact: true }).waitFor();
    await page.getByText("The server does not answer").waitFor({ state: "detached" });
    await see(page, "Requests a second");
    const fresh = await open("#/instances/bank%2Faccount", { expect: [/Failed to load resource|ERR_|net::/] });
    await fresh.locator("button.row").first().waitFor();
    await outside("stop");
    await fresh.getByRole("button", { name: "Look again" }).first().click();
    await fresh.getByRole("alert").getByText("The server does not answer").waitFor();
    await outside("start");
    await fresh.getByRole("button", { name: "Try again" }).click();
    await fresh.locator("button.row").first().waitFor();
  },

  /** A graph of 2,000 waiters is drawn in a moment, and says how many there are that it does not show. */
  async crowd() {
    const page = await open();
    await see(page, "2,000 calls wait for 70 instances.");
    await page.locator("svg .node.lock").nth(11).waitFor();
    assert.equal(await page.locator("svg .node.lock").count(), 12);
    assert.match(await page.locator("svg .node.more").first().textContent(), /more/);
    if (process.env.CONSOLE_PICTURES) await page.screenshot({ path: `${process.env.CONSOLE_PICTURES}/crowd-light.png` });
    await page.getByRole("button", { name: /Show 48 further instances/ }).click();
    await page.locator("svg .node.lock").nth(59).waitFor();
    await see(page, "10 instances with fewer waiters are not shown.");
    const longest = await page.evaluate(() => new Promise((resolve) => {
      let last = performance.now(), worst = 0;
      const until = last + 3000;
      const tick = (now) => {
        worst = Math.max(worst, now - last);
        last = now;
        if (now < until) requestAnimationFrame(tick);
        else resolve(worst);
      };
      requestAnimationFrame(tick);
    }));
    assert(longest < 2000, `the page stood still for ${longest} ms`);
    assert(await page.locator("svg .edge.circle").count() >= 4, "the circle is marked");
    await page.locator("h1").click();
    await page.keyboard.press(" ");
    await page.getByText("held", { exact: true }).waitFor();
    const was = await page.locator(".lead").textContent();
    await page.waitForTimeout(1500);
    assert.equal(await page.locator(".lead").textContent(), was, "what is held does not change");
    await page.locator("svg .node.waiter").first().focus();
    await page.keyboard.press("Enter");
    await page.locator(".card", { hasText: "waits for" }).first().waitFor();
    assert(await page.locator("svg .node.faded").count() > 0, "what is on no chain with the chosen one steps back");
  },

  /** An engine without anything shows what there could be. A view that is not offered is not there. */
  async empty() {
    const page = await open();
    for (const [view, text] of Object.entries({
      graph: "No waiting calls", transactions: "None yet", sagas: "None now", instances: "No instance", locks: "No waits", metrics: "No request yet",
    })) {
      await page.goto(`${url}/console/#/${view}`);
      await see(page, text);
    }
    assert.equal(await page.getByRole("link", { name: "Side by side" }).count(), 0);
    await page.goto(`${url}/console/#/compare`);
    await see(page, "Nobody waits now");
    await page.getByRole("button", { name: /^Colours/ }).click();
    await page.getByRole("button", { name: /^Colours/ }).click();
    assert.equal(await page.locator("html").getAttribute("data-theme"), "dark");
    await page.reload();
    assert.equal(await page.locator("html").getAttribute("data-theme"), "dark", "the choice stays");
  },

  /** Nothing is wider than a narrow window, in any view, and everything can be reached with the keyboard. */
  async narrow() {
    const page = await open("", { viewport: { width: 390, height: 800 } });
    for (const view of views) {
      await page.goto(`${url}/console/#/${view}`);
      await page.locator("main h1").waitFor();
      await page.waitForTimeout(700);
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert(wide <= 0, `${view} is ${wide} pixels wider than the window`);
    }
    await page.goto(`${url}/console/#/sagas`);
    await page.locator("button.row").first().waitFor();
    let reached = false;
    for (let i = 0; i < 40 && !reached; i++) {
      await page.keyboard.press("Tab");
      reached = await page.evaluate(() => document.activeElement?.classList.contains("row"));
    }
    assert(reached, "the Tab key comes to the list");
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Enter");
    await page.locator(".step").first().waitFor();
  },

  /** Pictures of each view, for people to look at. */
  async pictures() {
    const dir = process.env.CONSOLE_PICTURES;
    for (const [name, options] of Object.entries({
      light: { colorScheme: "light" }, dark: { colorScheme: "dark" }, narrow: { colorScheme: "light", viewport: { width: 390, height: 800 } },
    })) {
      const page = await open("", options);
      const take = (what) => page.screenshot({ path: `${dir}/${what}-${name}.png` });
      for (const view of views) {
        await page.goto(`${url}/console/#/${view}`);
        await page.waitForTimeout(view === "metrics" || view === "compare" ? 6000 : 2500);
        if (["transactions", "sagas", "instances"].includes(view)) {
          if (view === "transactions") await page.getByRole("button", { name: "retried" }).click();
          await page.locator("button.row").first().click();
          await page.waitForTimeout(800);
        }
        if (view === "instances") await page.locator("details.call summary").first().click();
        await take(view);
        if (view === "sagas") {
          await page.getByRole("button", { name: "Skip…" }).click();
          await take("question");
          await page.keyboard.press("Escape");
        }
        if (view === "graph") {
          await page.locator(".side button.row").first().click();
          await page.waitForTimeout(9000);
          await take("replay");
        }
      }
    }
  },
};

try {
  await scenarios[process.argv[2]]();
  if (trouble.length > 0) throw new Error(trouble.join("\n"));
  process.stdout.write("passed\n");
} catch (e) {
  process.stdout.write(`failed ${String(e.stack).replaceAll("\n", "\n  ")}\n`);
  for (const page of browser.contexts().flatMap((c) => c.pages())) {
    const shown = await page.locator("body").innerText({ timeout: 2000 }).catch(() => "nothing");
    process.stdout.write(`  ${page.url()} shows\n    ${shown.slice(0, 1500).replaceAll("\n", "\n    ")}\n`);
  }
  process.exitCode = 1;
}
await browser.close();
process.exit();
