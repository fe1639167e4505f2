import { describe, expect, it } from "vitest";
import { METERS } from "../../src/model/meters.ts";
import { HEAD, problems } from "./loading.ts";

/** An alarm on one meter: its name on line 7, what is added from line 10 on. */
const about = (meter: string, more = "") =>
  `${HEAD}alarms:\n  - name: one\n    meter_name: ${meter}\n    threshold: 5\n    comparison_operator: ge\n${more}`;

describe("a meter that is read as it cannot be", () => {
  it.each([
    {
      name: "a server's state for a whole cluster",
      text: about("network.services.lb.member"),
      says: '7:17 E110 alarm "one" reads network.services.lb.member, which each server has by itself and a cluster has not | add per: server, or count servers with network.services.lb.members.up and the like',
    },
    {
      name: "the same for each active server",
      text: about("network.services.lb.member", "    per: active_server\n"),
      says: '10:10 E110 alarm "one" reads network.services.lb.member, which each server has by itself and a cluster has not | add per: server, or count servers with network.services.lb.members.up and the like',
    },
    {
      name: "the rate of what Tocsin counts",
      text: about("tocsin.source.errors", "    statistic: rate\n"),
      says: '10:16 E110 rate of alarm "one" needs a meter that HAProxy counts, and Tocsin counts tocsin.source.errors | use increase',
    },
    {
      name: "the increase of what is no total",
      text: about("network.services.lb.active.connections.rate", "    statistic: increase\n"),
      says: '10:16 E110 increase of alarm "one" needs a cumulative meter or its .rate, and network.services.lb.active.connections.rate is neither | use avg, or a meter that is cumulative in docs/meters.md',
    },
    {
      name: "the change of one server",
      text: about("network.services.lb.active.connections.rate", "    per: server\n"),
      says: '10:10 E110 alarm "one" is per server, and HAProxy does not keep network.services.lb.active.connections.rate for each server | docs/meters.md says which meters it keeps; use per: total or active_server',
    },
  ])("$name", ({ text, says }) => expect(problems(text)).toEqual([says]));
});

it.each(METERS.filter(({ kind }) => kind !== "state").map(({ name }) => name))("%s can be read", (name) => {
  expect(problems(about(name))).toEqual([]);
});

it.each([
  ["network.services.lb.member", "    per: server\n"],
  ["network.services.lb.session.utilization", "    per: server\n"],
  ["network.services.lb.queue.max_time", "    per: server\n"],
  ["network.services.lb.health.check.downs.rate", "    per: server\n"],
  ["tocsin.source.resets", "    statistic: increase\n"],
])("%s can be read with%s", (name, more) => expect(problems(about(name, more))).toEqual([]));
