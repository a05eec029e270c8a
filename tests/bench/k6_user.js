// The same users for k6. Settings come from the environment: URL, BODY (a file), RESULT (a file), USERS,
// THINK_S, SECONDS. A Date has whole milliseconds, so nothing finer is told of lateness.

import http from "k6/http";
import { sleep } from "k6";
import { Counter, Trend } from "k6/metrics";

const body = open(__ENV.BODY);
const users = Number(__ENV.USERS);
const thinkMs = Number(__ENV.THINK_S) * 1000;
const countedMs = Number(__ENV.SECONDS) * 1000;
const warmUpMs = 1000 + thinkMs;
const request = { headers: { "content-type": "application/json" } };

const calls = new Counter("calls");
const failures = new Counter("failures");
const late = new Trend("late", true);
const answer = new Trend("answer", true);

export const options = {
  vus: users,
  duration: `${(warmUpMs + countedMs) / 1000}s`,
  setupTimeout: "60s",
  discardResponseBodies: true, // read off the wire, and not kept: k6's own advice for high rates
  summaryTrendStats: ["p(50)", "p(99)"],
};

let due = null;

export function setup() {
  const from = Date.now() + warmUpMs;
  return { from: from, to: from + countedMs };
}

export default function (counted) {
  if (due === null && thinkMs > 0) {
    due = Date.now() + Math.random() * thinkMs; // or all would call in step
    sleep((due - Date.now()) / 1000);
  }
  const sent = Date.now();
  const result = http.post(__ENV.URL, body, request);
  const done = Date.now();
  if (sent >= counted.from && sent < counted.to) {
    calls.add(1);
    failures.add(result.status === 200 ? 0 : 1);
    answer.add(result.timings.duration);
    if (due !== null) late.add(sent - due);
  }
  if (thinkMs > 0) {
    due = done + thinkMs;
    sleep(thinkMs / 1000);
  }
}

export function handleSummary(data) {
  const of = (name, value) => (data.metrics[name] ? data.metrics[name].values[value] : 0);
  const figures = {
    calls_per_s: (of("calls", "count") / countedMs) * 1000,
    late_p50: of("late", "p(50)"),
    late_p99: of("late", "p(99)"),
    answer_p50: of("answer", "p(50)"),
    answer_p99: of("answer", "p(99)"),
    failures: of("failures", "count"),
  };
  return { [__ENV.RESULT]: JSON.stringify(figures) };
}
