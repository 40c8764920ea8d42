// What each part of the page says of the figures.

import { lines, spark, stacks } from "./charts.js";
import { NARROW, table, tiles } from "./tables.js";
import * as say from "./words.js";

const OLD = "The database has a schema older than this process: run marquee migrate.";
const at = (id) => document.getElementById(id);

function put(id, text) {
  const place = at(id);
  if (place.textContent !== text) place.textContent = text;
  place.hidden = !text;
}

const seen = new Map();

// What has not changed stays as it is, with what somebody opened in it.
function changed(part, ...data) {
  const now = JSON.stringify([innerWidth, data]), before = seen.get(part);
  seen.set(part, now);
  return now !== before;
}

export function fill(told) {
  now(told);
  traffic(told);
  models(told);
  days(told);
  drift(told);
  jobs(told);
  database(told);
  versions(told);
}

function now({ concerns, health, process, figures, now }) {
  const count = concerns.length;
  put("now-title", count ? `${count === 1 ? "One thing needs" : `${count} things need`} a look` : "All is well");
  document.documentElement.classList.toggle("look", count > 0);
  document.documentElement.classList.toggle("well", count === 0);
  const which = process.pod ? `Pod ${process.pod}` : "This process";
  put("place", `${which} has run for ${say.duration(now - process.started)}. As of ${say.clock(now)} UTC, renewed every 10 s.`);
  at("concerns").replaceChildren(...concerns.map(concern));
  tiles(at("health"), [
    ["This process is", { text: health.status, look: health.status === "ready" ? "good" : "bad" }],
    ["Database", health.database === "ok" ? { text: "answers", look: "good" } : { text: "does not answer", look: "bad" }],
    health.model ? ["Model that ranks", health.model] : ["Ranked by", { text: "popularity only", look: "some" }],
    ["Movies to recommend", say.number(health.movies)],
  ]);
  put("figures-note", asOf(figures, now));
}

function concern({ sentence, part, runbook }) {
  const item = document.createElement("li"), link = document.createElement("a");
  link.href = `#${part}`;
  link.textContent = sentence;
  item.append(part === "now" ? sentence : link);
  if (runbook) {
    const page = document.createElement("small");
    page.textContent = `What to do: dashboards/runbooks/${runbook}.md`;
    item.append(page);
  }
  return item;
}

function asOf({ read_at: read, troubled }, now) {
  if (read === null) return "Models, days, drift and jobs could not be read from the database yet.";
  if (troubled) return `Models, days, drift and jobs are as of ${say.moment(read)}, ${say.ago(read, now)}: the database has not told them since.`;
  return "";
}

function waiting({ figures }, part) {
  return figures.read_at === null ? "Not read from the database yet." : part === null ? OLD : "";
}

const counted = (some, all) => (some ? `${say.number(some)} (${say.part(some, all)})` : "0");

function traffic({ traffic, process }) {
  if (traffic === null || traffic.since === traffic.until) return put("traffic-note", "This process counts since a moment ago.");
  const { whole, minutes } = traffic, names = minutes.at.map(say.minute);
  const span = say.duration(traffic.until - traffic.since);
  put("traffic-note", `Of the last ${span}, since ${say.moment(traffic.since)}, and of this process only: other processes have their own. Health checks and this page are not counted; times leave out sign-ins, batches and exports.`);
  tiles(at("traffic-tiles"), [
    ["Requests", say.number(whole.all)],
    ["Failed (5xx)", { text: counted(whole.failed, whole.all), look: whole.failed ? "bad" : "good" }],
    ["Refused (4xx)", counted(whole.refused, whole.all)],
    ["Slower than 250 ms", counted(whole.slow, whole.awaited)],
    ["Half took at most", say.milliseconds(whole.p50)],
    ["95 % took at most", say.milliseconds(whole.p95)],
    ["99 % took at most", say.milliseconds(whole.p99)],
    ["Lists ranked by the model", say.part(whole.model, whole.model + whole.preferences + whole.popular)],
    ["Lists without database", say.number(whole.database_away)],
    ["Refused by a rate (429), since start", say.number(process.rate_limited)],
  ]);
  const perSecond = (name) => minutes[name].map((value, n) => value / (minutes.seconds[n] || 1));
  const perMinute = (name) => perSecond(name).map((value) => 60 * value);
  const all = perSecond("all"), empty = "Nothing was counted for a whole minute yet.";
  stacks(at("requests"), {
    names, say: say.rate, empty,
    sentence: `Requests a second in ${names.length} minutes: at most ${say.rate(Math.max(0, ...all))}, last ${say.rate(all.at(-1))}. ${say.number(whole.failed)} failed.`,
    series: [{ name: "answered", look: "a", values: perSecond("well") }, { name: "refused (4xx)", look: "b", values: perSecond("refused") }, { name: "failed (5xx)", look: "c", marked: true, values: perSecond("failed") }],
  });
  const ms = (name) => minutes[name].map((value) => (value === null ? null : 1000 * value));
  lines(at("latency"), {
    names, say: say.rate, empty: "Nobody asked anything yet.",
    sentence: `Milliseconds to answer: half within ${say.milliseconds(whole.p50)}, 95 % within ${say.milliseconds(whole.p95)}, 99 % within ${say.milliseconds(whole.p99)}.`,
    series: [{ name: "half", look: "a", values: ms("p50") }, { name: "95 %", look: "b", values: ms("p95") }, { name: "99 %", look: "c", values: ms("p99") }],
  });
  stacks(at("sources"), {
    names, say: say.rate, empty,
    sentence: `Lists in ${span}: ${say.number(whole.model)} by the model, ${say.number(whole.preferences)} by preferences, ${say.number(whole.popular)} by popularity.`,
    series: [{ name: "model", look: "a", values: perMinute("model") }, { name: "preferences", look: "e", values: perMinute("preferences") }, { name: "popular", look: "d", values: perMinute("popular") }],
  });
}

const GATE = { passed: { text: "passed", look: "good" }, refused: { text: "refused", look: "bad" }, unjudged: { text: "too few users to judge", look: "some" } };
const KINDS = { gate: "published", forced: "published by force", rollback: "rolled back to" };

function models(told) {
  const models = told.models ?? [], oldest = [...models].reverse(), spread = told.spread?.[0];
  const shown = spread ? ` Lists served on ${spread.day} showed ${say.share(spread.coverage)} of the catalogue.` : "";
  put("models-note", waiting(told, told.models) || `The gate publishes a version that ranks better than popularity and no worse than the champion, which is the version that serves. NDCG@10: how well its first ten movies fit viewers it had not seen, 0 to 1.${shown}`);
  if (!changed("models", models)) return;
  const judged = oldest.filter((model) => model.ndcg !== null), last = judged.at(-1);
  lines(at("quality"), {
    names: judged.map((model) => model.day ?? say.moment(model.trained_at)), say: (value) => value.toFixed(2),
    empty: models.length ? "No version was judged yet." : "No model was trained yet.",
    sentence: last ? `NDCG@10 of ${judged.length} versions. The last, ${last.version}: ${say.fixed(last.ndcg, 3)}, popularity ${say.fixed(last.popularity, 3)}.` : "",
    series: [
      { name: "version (a round mark: refused)", look: "a", values: judged.map((model) => model.ndcg), points: judged.map((model) => (model.outcome === "refused" ? "c" : null)) },
      { name: "popularity, same users", look: "d", values: judged.map((model) => model.popularity) },
    ],
  });
  table(at("models-table"), `Versions, the newest first (${models.length})`,
    [{ name: "Version", look: "fixed" }, { name: "Day", look: "fixed" }, { name: "Trained", look: "fixed" }, { name: "NDCG@10", look: "number" }, { name: "Popularity", look: "number" }, { name: "Coverage", look: "number" }, { name: "Gate" }, { name: "Why", look: "words" }],
    models.map((model) => [model.version, say.orDash(model.day), say.moment(model.trained_at), say.fixed(model.ndcg, 3), say.fixed(model.popularity, 3), say.share(model.coverage), gate(model), why(model)]), "");
}

function gate(model) {
  const place = document.createElement("span"), said = GATE[model.outcome] ?? { text: model.outcome ?? "not judged yet" };
  const word = document.createElement("span");
  word.textContent = said.text;
  if (said.look) word.className = said.look;
  place.append(word, model.champion ? "; serves now" : model.published ? `; ${KINDS[model.published] ?? model.published}` : "");
  return place;
}

function why(model) {
  const reasons = model.reasons ?? [];
  if (!reasons.length) return say.orDash(null);
  const place = document.createElement("details"), first = document.createElement("summary");
  const refused = model.outcome === "refused";
  first.textContent = refused ? reasons[0] : `${reasons.length} ${reasons.length === 1 ? "finding" : "findings"}`;
  place.append(first, ...(refused ? reasons.slice(1) : reasons).map((reason) => {
    const line = document.createElement("p");
    line.textContent = reason;
    return line;
  }));
  return refused && reasons.length === 1 ? reasons[0] : place;
}

function days(told) {
  const days = told.days ?? [], oldest = [...days].reverse();
  put("days-note", waiting(told, told.days) || (days.length ? "Unchanged: the rating was there already. Superseded: a later one was." : "No day was loaded yet."));
  if (!changed("days", days, told.rejects)) return;
  const of = (name) => oldest.map((day) => day[name]);
  at("rows").parentElement.hidden = !days.length;
  stacks(at("rows"), {
    names: of("day"), say: say.compact, empty: "",
    sentence: days.length ? `Rows of ${days.length} days. The newest, ${days[0].day}: ${say.number(days[0].read)} read, ${say.number(days[0].loaded)} loaded, ${say.number(days[0].rejected)} rejected.` : "",
    series: [{ name: "loaded", look: "a", values: of("loaded") }, { name: "unchanged", look: "d", values: of("unchanged") }, { name: "superseded", look: "e", values: of("superseded") }, { name: "rejected", look: "c", values: of("rejected") }],
  });
  table(at("days-table"), "Rows of each day",
    [{ name: "Day", look: "fixed" }, ...["Read", "Loaded", "Unchanged", "Superseded", "Rejected"].map((name) => ({ name, look: "number" })), { name: "Loaded at", look: "fixed" }],
    days.map((day) => [day.day, ...["read", "loaded", "unchanged", "superseded"].map((name) => say.number(day[name])), rejected(day), loadedAt(day)]), "");
  const newest = days.find((day) => day.finished_at !== null);
  table(at("rejects-table"), `Rejected rows of ${newest?.day ?? "the newest day"}, by rule`, [{ name: "Rule" }, { name: "Rows", look: "number" }],
    told.rejects.map(({ rule, rows }) => [rule, say.number(rows)]), days.length ? "No row of the newest day was rejected." : "");
}

const rejected = (day) => ({ text: counted(day.rejected, day.read), look: day.rejected >= 100 && day.rejected > 0.05 * day.read ? "bad" : "" });
const loadedAt = (day) => (day.unfinished ? { text: `${day.unfinished} not finished`, look: "some" } : say.moment(day.finished_at));

const VERDICTS = { much: { text: "much", look: "bad" }, some: { text: "some", look: "some" }, none: { text: "none", look: "good" }, "too few": { text: "too few samples to say", look: "" } };

function drift(told) {
  const measures = told.drift ?? [];
  put("drift-note", waiting(told, told.drift) || (measures.length ? "How the viewers of a day differ from those that the champion learned from. From 0.25 on (the dashed line) it is much; with fewer than 1,000 samples the index says nothing." : "Nothing was compared yet: that needs a champion and a day after it."));
  if (!changed("drift", measures)) return;
  table(at("drift-table"), "Drift by measure",
    [{ name: "Measure" }, { name: "Drift" }, { name: "Index (PSI)", look: "number" }, { name: "Jensen-Shannon", look: "number" }, { name: "Samples", look: "number" }, { name: "Day" }, { name: "Four weeks", look: "spark" }],
    measures.map((each) => [each.measure, VERDICTS[each.verdict], say.fixed(each.psi, 3), say.fixed(each.js, 3), say.number(each.samples), each.day,
      spark(each.history.map((day) => day.psi), 0.25, `Index of ${each.measure} on ${each.history.length} days, highest ${say.fixed(Math.max(...each.history.map((day) => day.psi)), 3)}.`)]), "", Infinity);
}

const OUTCOMES = { ok: { text: "ok", look: "good" }, skipped: { text: "had nothing to do" }, failed: { text: "failed", look: "bad" } };

function jobs(told) {
  const jobs = [...(told.jobs ?? [])].sort((one, other) => (other.outcome === "failed") - (one.outcome === "failed") || other.finished_at - one.finished_at);
  const failed = jobs.filter((job) => job.outcome === "failed").length;
  put("jobs-note", waiting(told, told.jobs) || (jobs.length ? "" : "No job has run yet."));
  table(at("jobs-table"), "The last run of each job",
    [{ name: "Job" }, { name: "Outcome" }, { name: "Of day" }, { name: "Ended" }, { name: "Took", look: "number" }, { name: "Last ok" }],
    jobs.map((job) => [job.verb, OUTCOMES[job.outcome] ?? job.outcome, say.orDash(job.day), `${say.ago(job.finished_at, told.now)}, ${say.moment(job.finished_at)}`, say.duration(job.seconds), job.outcome === "ok" ? "this one" : say.moment(job.ok_at)]), "", NARROW ? Math.max(3, failed) : Infinity);
}

function database({ database: found }) {
  const used = found.limit ? ` of ${say.bytes(found.limit)} (${say.part(found.bytes, found.limit)})` : "";
  tiles(at("database-tiles"), [
    ["Size", `${say.bytes(found.bytes)}${found.bytes === null ? "" : used}`],
    ["Users, about", say.number(found.users)],
    ["Ratings, about", say.number(found.ratings)],
    ["Connections in use", `${say.number(found.pool_in_use)} of ${say.number(found.pool_size)}`],
    ["Waits for a connection, since start", `${say.number(found.pool_waits)}, ${say.duration(found.pool_wait_s)} in all`],
  ]);
}

function versions({ process, database, health }) {
  tiles(at("version-tiles"), [
    ["Marquee", process.release],
    ["Model that serves", say.orDash(health.model)],
    ["Champion (should serve)", say.orDash(health.champion)],
    ["Schema", `${say.orDash(health.schema)} (needs ${health.schema_needed} or later)`],
    ["Postgres", say.orDash(database.postgres)],
    ["Python", process.python],
    ["Started", say.moment(process.started)],
    ["Memory", say.bytes(process.memory)],
  ]);
}
