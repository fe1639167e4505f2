import { describe, expect, it } from "vitest";
import { loadRuleText } from "../../src/config/rules.ts";
import { DEFAULTS, HEAD, problems } from "./loading.ts";

const BYTES = "network.services.lb.incoming.bytes";
const ID = "0f8fad5b-d9cb-469f-a165-70867728950e";
const SECRET = "whsec_YW4gZXhhbXBsZSB0aGF0IG5vYm9keSBzaG91bGQgdXNl";

/** An alarm on lines 6 to 9; what is added begins on line 10. */
const busy = (more: string) =>
  `${HEAD}alarms:\n  - name: busy\n    meter_name: ${BYTES}.rate\n    threshold: 5\n    comparison_operator: ge\n${more}`;
/** A composite alarm on lines 6 and 7; its tree stands on line 8, from column 21. */
const composite = (tree: string, more = "") =>
  `${HEAD}alarms:\n  - name: quiet\n    type: composite\n    composite_rule: ${tree}\n${more}`;
/** A receiver on line 6, its words from column 35. */
const receiver = (words: string) =>
  `${HEAD}receivers:\n  ops: {alarm_url: "https://h/x", ${words}}\n  out: {alarm_url: "http://h/", direction: out}\nalarms: []\n`;
/** A Gnocchi alarm: its type on line 7, its words on lines 8 to 10. */
const gnocchi = (type: string, words: string) =>
  `${HEAD}alarms:\n  - name: busy\n    type: gnocchi_${type}_threshold\n    threshold: 5\n    comparison_operator: gt\n    ${words}\n`;
const constraint = (words: string) =>
  busy(`    time_constraints: [{name: n, start: "0 8 * * *", duration: 1h${words}}]\n`);

interface Case {
  readonly name: string;
  readonly text: string;
  readonly says: string | readonly string[];
}

function table(cases: readonly Case[]): void {
  it.each(cases)("$name", ({ text, says }) => expect(problems(text)).toEqual([says].flat()));
}

describe("rules about a meter", () => {
  table([
    {
      name: "a statistic near another",
      text: busy("    statistic: mediann\n"),
      says: '10:16 E103 "statistic" must be one of avg, max, min, sum, count, last, first, stddev, median, range, rate, increase, p1 … p99.9 in alarm "busy" | did you mean "median"?',
    },
    {
      name: "an operator as a sign",
      text: busy("").replace("operator: ge", 'operator: "<="'),
      says: '9:26 E103 "comparison_operator" must be one of lt, le, eq, ne, ge, gt in alarm "busy" | did you mean "le"?',
    },
    {
      name: "an action that resembles nothing",
      text: busy("    alarm_actions: [receiver:op]\n").replace(
        "alarms:",
        'receivers: {r1: {alarm_url: "http://h/"}}\nalarms:',
      ),
      says: '11:21 E201 there is no receiver "op" | add "op:" to receivers:',
    },
    {
      name: "an action that resembles a receiver",
      text: busy("    alarm_actions: [receiver:op]\n").replace(
        "alarms:",
        'receivers: {ops: {alarm_url: "http://h/"}}\nalarms:',
      ),
      says: '11:21 E201 there is no receiver "op" | did you mean "receiver:ops"?',
    },
    {
      name: "a percentile beyond all",
      text: busy("    statistic: p100\n"),
      says: '10:16 E103 "statistic" must be one of avg, max, min, sum, count, last, first, stddev, median, range, rate, increase, p1 … p99.9 in alarm "busy"',
    },
    {
      name: "the increase of a gauge",
      text: busy("    statistic: increase\n").replace(`${BYTES}.rate`, "network.services.lb.queue.current"),
      says: '10:16 E110 increase of alarm "busy" needs a cumulative meter or its .rate, and network.services.lb.queue.current is neither | use avg, or a meter that is cumulative in docs/meters.md',
    },
    {
      name: "per server of what is counted before one is chosen",
      text: busy("    per: server\n").replace(`${BYTES}.rate`, "network.services.lb.denied.rate"),
      says: '10:10 E110 alarm "busy" is per server, and HAProxy does not keep network.services.lb.denied.rate for each server | docs/meters.md says which meters it keeps; use per: total or active_server',
    },
    {
      name: "per server by default",
      text: busy("")
        .replace("alarms:", "defaults: {per: server}\nalarms:")
        .replace(`${BYTES}.rate`, "tocsin.source.age"),
      says: '5:17 E110 alarm "busy" is per server, and HAProxy does not keep tocsin.source.age for each server | docs/meters.md says which meters it keeps; use per: total or active_server',
    },
    {
      name: "per server without servers",
      text: busy("    per: server\n").replace("proxy: web", "frontend: web"),
      says: '10:10 W001 alarm "busy" is per server, but the cluster has no server rows: it will stay unknown | add a backend or proxy to haproxy:',
    },
    {
      name: "outliers that are no boolean",
      text: busy("    exclude_outliers: 1\n"),
      says: '10:23 E103 "exclude_outliers" must be a boolean in alarm "busy"',
    },
    {
      name: "no repeats at all",
      text: busy("    max_repeats: 0\n"),
      says: '10:18 E103 "max_repeats": must be at least 1 in alarm "busy"',
    },
    {
      name: "a state that is none",
      text: busy("    repeat_states: [ok, alert]\n"),
      says: '10:25 E103 "repeat_states" must be one of ok, alarm, insufficient data in alarm "busy" | did you mean "alarm"?',
    },
    {
      name: "a type that is none",
      text: busy("    type: treshold\n"),
      says: '10:11 E103 "type" must be one of threshold, composite, event, gnocchi_resources_threshold, gnocchi_aggregation_by_metrics_threshold, gnocchi_aggregation_by_resources_threshold in alarm "busy" | did you mean "threshold"?',
    },
    {
      name: "a type of later versions",
      text: busy("    type: prometheus\n"),
      says: '10:11 E106 "prometheus" is not supported by this version in alarm "busy" | remove it',
    },
    {
      name: "a word of another type",
      text: busy("    auto_ok_after: 5m\n"),
      says: '10:5 E102 unknown key "auto_ok_after" in alarm "busy" | it belongs to type: event',
    },
    {
      name: "words beside their map",
      text: `${HEAD}alarms:\n  - name: a\n    meter_name: x\n    threshold_rule: {meter_name: ${BYTES}, threshold: 1, comparison_operator: lt, severity: low}\n`,
      says: [
        '7:5 E102 unknown key "meter_name" in alarm "a" | write it into threshold_rule:',
        '8:109 E102 unknown key "severity" in alarm "a" | it belongs to the alarm, not to its rule',
      ],
    },
    {
      name: "mistakes inside the map",
      text: `${HEAD}alarms:\n  - name: a\n    threshold_rule: {meter_nam: ${BYTES}, threshold: x, comparison_operator: lt}\n`,
      says: [
        '7:21 E104 meter_name is missing in alarm "a" | add "meter_name:"',
        '7:22 E102 unknown key "meter_nam" in alarm "a" | did you mean "meter_name"?',
        '7:80 E103 "threshold" must be a number in alarm "a"',
      ],
    },
    {
      name: "one pause for both directions",
      text: `${HEAD}control: {cooldown: 5s}\nalarms: []\n`,
      says: '5:21 E103 "cooldown" must be a map | write {out: 5s, in: 5s}',
    },
    {
      name: "a pause that is none at all",
      text: `${HEAD}control: {cooldown: five minutes}\nalarms: []\n`,
      says: '5:21 E103 "cooldown" must be a map | write {out: 5m, in: 5m}',
    },
    { name: "an alarm that is no map", text: `${HEAD}alarms: [busy]\n`, says: "5:10 E103 an alarm must be a map" },
    {
      name: "one id for two alarms",
      text: `${HEAD}alarms:\n  - {name: a, type: event, alarm_id: ${ID}}\n  - {name: b, type: event, alarm_id: ${ID}}\n`,
      says: '7:38 E203 alarms "a" and "b" have one alarm_id | give one another id, or none',
    },
    {
      name: "a query with another op",
      text: busy("    query: [{field: cluster_id, op: ne, value: x}]\n"),
      says: '10:12 E204 the query of alarm "busy" knows the op eq only, not "ne" | the file\'s cluster_id says which cluster: remove the query',
    },
    {
      name: "a query about something else",
      text: busy("    query: {metadata.flavor: x}\n"),
      says: '10:12 E204 the query of alarm "busy" speaks of "metadata.flavor", which says nothing about cluster web | the file\'s cluster_id says which cluster: remove the query',
    },
  ]);
});

describe("suppressors and time constraints", () => {
  table([
    {
      name: "a suppressor that is not there",
      text: busy("    suppressed_by: [bussy]\n"),
      says: '10:21 E209 there is no alarm "bussy" to suppress alarm "busy" | did you mean "busy"?',
    },
    {
      name: "an alarm that suppresses itself",
      text: busy("    suppressed_by: [busy]\n"),
      says: '10:21 E210 alarms suppress each other in a circle: "busy" → "busy" | one of them must speak',
    },
    {
      name: "a circle of suppressors",
      text: `${HEAD}alarms:\n  - {name: a, type: event, suppressed_by: [b]}\n  - {name: b, type: event, suppressed_by: [c]}\n  - {name: c, type: event, suppressed_by: [a]}\n`,
      says: '8:44 E210 alarms suppress each other in a circle: "a" → "b" → "c" → "a" | one of them must speak',
    },
    {
      name: "one suppressor of two is no circle",
      text: `${HEAD}alarms:\n  - {name: a, type: event, suppressed_by: [c, b]}\n  - {name: b, type: event, suppressed_by: [c]}\n  - {name: c, type: event}\n`,
      says: [],
    },
    {
      name: "two constraints of one name",
      text: busy(
        '    time_constraints:\n      - {name: n, start: "0 8 * * *", duration: 1h}\n      - {name: n, start: "0 9 * * *", duration: 1h}\n',
      ),
      says: '12:16 E203 alarm "busy" has two time constraints named "n" | give one another name',
    },
    {
      name: "a time of day instead of cron",
      text: constraint("").replace('"0 8 * * *"', '"11:00am"'),
      says: '10:41 E103 "start": Exactly 5 or 6 columns has to be specified for iterator expression. in alarm "busy"',
    },
    {
      name: "an hour that is none",
      text: constraint("").replace('"0 8 * * *"', "0 25 * * *"),
      says: expect.stringMatching(/^10:41 E103 "start": .* in alarm "busy"$/) as string,
    },
    {
      name: "a zone that is none",
      text: constraint(", timezone: Asia/Shangai"),
      says: '10:78 E103 "timezone": expected an IANA time zone such as Europe/Berlin in alarm "busy"',
    },
    {
      name: "no duration",
      text: busy('    time_constraints: [{name: n, start: "0 8 * * *"}]\n'),
      says: '10:24 E104 duration is missing in alarm "busy" | add "duration:"',
    },
    {
      name: "an unknown word of a constraint",
      text: constraint(", timezon: UTC"),
      says: '10:68 E102 unknown key "timezon" in alarm "busy" | did you mean "timezone"?',
    },
  ]);
});

describe("composite rules", () => {
  const LEAF = `{meter_name: ${BYTES}.rate, threshold: 5, comparison_operator: ge}`;
  const PART =
    'a part of the composite rule of alarm "quiet" is a rule, {alarm: NAME}, {and: […]}, {or: […]} or {not: …}';
  const deep = (levels: number) => `${"{not: ".repeat(levels)}${LEAF}${"}".repeat(levels)}`;
  table([
    {
      name: "no rule",
      text: `${HEAD}alarms:\n  - name: quiet\n    type: composite\n`,
      says: '6:5 E104 composite_rule is missing in alarm "quiet" | add "composite_rule:"',
    },
    { name: "a list", text: composite(`[${LEAF}]`), says: `8:21 E111 ${PART}` },
    { name: "text as a part", text: composite("{and: [busy]}"), says: `8:28 E111 ${PART}` },
    {
      name: "a list to negate",
      text: composite(`{not: [${LEAF}]}`),
      says: '8:27 E111 "not" takes one part, no list, in alarm "quiet" | write {not: {…}}, or {not: {or: [...]}} for none of several',
    },
    { name: "an empty part", text: composite("{or: [{}]}"), says: `8:27 E111 ${PART}` },
    {
      name: "a word near another",
      text: composite(`{annd: [${LEAF}]}`),
      says: `8:21 E111 ${PART} | did you mean "and"?`,
    },
    {
      name: "an empty list",
      text: composite("{or: []}"),
      says: '8:26 E111 "or" of alarm "quiet" has no parts | add at least one',
    },
    { name: "no list", text: composite("{or: 5}"), says: '8:26 E103 "or" must be a list in alarm "quiet"' },
    {
      name: "two things in one part",
      text: composite(`{and: [${LEAF}], or: [${LEAF}]}`),
      says: '8:123 E102 unknown key "or" in alarm "quiet" | a part says one thing: put it beside "and" as a part of its own',
    },
    {
      name: "mistakes of a rule inside",
      text: composite(
        `{and: [{meter_name: ${BYTES}.rat, threshold: 5, comparison_operator: gee}, {meter_name: x, threshold: 5, comparison_operator: ge}]}`,
      ),
      says: [
        '8:116 E103 "comparison_operator" must be one of lt, le, eq, ne, ge, gt in alarm "quiet" | did you mean "ge"?',
        '8:135 E202 there is no meter "x", of which alarm "quiet" speaks | docs/meters.md lists them',
      ],
    },
    {
      name: "a word of the alarm inside",
      text: composite(LEAF.replace("}", ", severity: low}")),
      says: '8:114 E102 unknown key "severity" in alarm "quiet" | it belongs to the alarm, not to its rule',
    },
    {
      name: "more of M than N inside",
      text: composite(LEAF.replace("}", ", datapoints_to_alarm: 2}")),
      says: '8:135 E108 datapoints_to_alarm 2 is more than evaluation_periods 1 of alarm "quiet"',
    },
    {
      name: "a clear threshold on the wrong side inside",
      text: composite(LEAF.replace("}", ", clear_threshold: 6}")),
      says: '8:131 E108 clear_threshold 6 of alarm "quiet" must not lie on the alarm\'s side of threshold 5 | choose one below it',
    },
    {
      name: "a period that is no whole number of ticks inside",
      text: composite(LEAF.replace("}", ", period: 15}")),
      says: '8:122 W003 the period of alarm "quiet", 15 s, is not a whole number of ticks of 10 s | it is taken as 20 s',
    },
    {
      name: "a type that cannot be inside",
      text: composite("{type: event, threshold: 5}"),
      says: '8:28 E103 "type" must be one of threshold, gnocchi_resources_threshold, gnocchi_aggregation_by_metrics_threshold, gnocchi_aggregation_by_resources_threshold in a part of alarm "quiet"',
    },
    {
      name: "a reference to nobody",
      text: composite("{not: {alarm: quite}}"),
      says: '8:35 E209 there is no alarm "quite", to which alarm "quiet" refers | did you mean "quiet"?',
    },
    {
      name: "a reference with an unknown state",
      text: composite("{alarm: b, state: alrm}", "  - {name: b, type: event}\n"),
      says: '8:39 E103 "state" must be one of ok, alarm, insufficient data in alarm "quiet" | did you mean "alarm"?',
    },
    {
      name: "a reference and a rule in one",
      text: composite("{alarm: b, threshold: 5}", "  - {name: b, type: event}\n"),
      says: '8:32 E102 unknown key "threshold" in alarm "quiet" | a part is a reference or a rule, not both',
    },
    {
      name: "an alarm that refers to itself",
      text: composite("{not: {alarm: quiet}}"),
      says: '8:35 E210 alarms refer to each other in a circle: "quiet" → "quiet" | a verdict must begin somewhere',
    },
    {
      name: "a circle of references",
      text: composite(
        "{or: [{alarm: b}]}",
        "  - {name: b, composite_rule: {not: {alarm: c}}}\n  - {name: c, composite_rule: {and: [{alarm: quiet, state: ok}]}}\n",
      ),
      says: '10:46 E210 alarms refer to each other in a circle: "quiet" → "b" → "c" → "quiet" | a verdict must begin somewhere',
    },
    { name: "twenty deep", text: composite(deep(19)), says: [] },
    {
      name: "deeper",
      text: composite(deep(20)),
      says: '8:141 E111 the composite rule of alarm "quiet" is nested more than 20 deep',
    },
    {
      name: "a hundred parts",
      text: composite(`{or: [${"{alarm: b}, ".repeat(100)}]}`, "  - {name: b, type: event}\n"),
      says: [],
    },
    {
      name: "more",
      text: composite(`{or: [${"{alarm: b}, ".repeat(101)}]}`, "  - {name: b, type: event}\n"),
      says: '8:21 E111 the composite rule of alarm "quiet" has 101 parts, more than 100 | split it into alarms that refer to each other',
    },
    {
      name: "an alias inside what it names",
      text: composite("&a {and: [*a]}"),
      says: "1:1 E101 an alias stands inside the very node that it names",
    },
    {
      name: "Heat's form, wrongly",
      text: composite(`{operator: xor, rules: {}}`),
      says: [
        '8:32 E103 "operator" must be one of and, or in alarm "quiet" | did you mean "or"?',
        '8:44 E103 "rules" must be a list in alarm "quiet"',
      ],
    },
  ]);
});

describe("event alarms", () => {
  const event = (words: string) => `${HEAD}alarms:\n  - {name: e, type: event, ${words}}\n`;
  table([
    {
      name: "a field of other characters",
      text: event('query: [{field: "a b", value: 1}]'),
      says: `6:44 E103 "field": letters, digits and . , ' _ - only in alarm "e"`,
    },
    {
      name: "an unknown op",
      text: event("query: [{field: a, op: in, value: 1}]"),
      says: expect.stringMatching(/^6:51 E103 "op" must be one of lt, le, eq, ne, ge, gt in alarm "e"/) as string,
    },
    {
      name: "an unknown type",
      text: event("query: [{field: a, value: 1, type: datetime}]"),
      says: '6:63 E103 "type" must be one of string, integer, float, boolean in alarm "e"',
    },
    {
      name: "text that is no whole number",
      text: event("query: [{field: a, value: hello, type: integer}]"),
      says: '6:54 E103 the value "hello" of alarm "e" is no integer | write one, or another type',
    },
    {
      name: "text that is no number",
      text: event('query: [{field: a, value: "", type: float}]'),
      says: '6:54 E103 the value "" of alarm "e" is no float | write one, or another type',
    },
    {
      name: "text that is no boolean",
      text: event("query: [{field: a, value: maybe, type: boolean}]"),
      says: '6:54 E103 the value "maybe" of alarm "e" is no boolean | write one, or another type',
    },
    {
      name: "what can be converted",
      text: event(
        'query: [{field: a, value: "5", type: integer}, {field: a, value: 1e3, type: float}, {field: a, value: "yes", type: boolean}, {field: a, value: true, type: ""}]',
      ),
      says: [],
    },
    {
      name: "a value that is a list, and none",
      text: event("query: [{field: a, value: [1]}, {field: a}]"),
      says: [
        '6:54 E103 "value": must be text, a number or a boolean in alarm "e"',
        '6:60 E104 value is missing in alarm "e" | add "value:"',
      ],
    },
    {
      name: "a threshold",
      text: event("threshold: 5"),
      says: '6:28 E102 unknown key "threshold" in alarm "e" | it belongs to type: threshold',
    },
  ]);
});

describe("Gnocchi's rules", () => {
  const resources = "metric: network.services.lb.incoming.bytes, resource_id: web, aggregation_method: mean";
  const flow = (words: string) =>
    `${HEAD}alarms:\n  - {name: g, type: gnocchi_resources_threshold, threshold: 5, comparison_operator: gt, ${words}}\n`;
  table([
    {
      name: "an aggregation method that is none",
      text: flow(resources.replace("mean", "meen")),
      says: expect.stringMatching(
        /^6:\d+ E103 "aggregation_method" must be one of mean, max, .*, rate:median, 1pct … 99pct in alarm "g" \| did you mean "mean"\?$/,
      ) as string,
    },
    {
      name: "a percentile that is none",
      text: flow(resources.replace("mean", "100pct")),
      says: expect.stringMatching(/ E103 "aggregation_method" must be one of /) as string,
    },
    {
      name: "a method of every object",
      text: flow(resources.replace("mean", "constructor")),
      says: expect.stringMatching(/ E103 "aggregation_method" must be one of /) as string,
    },
    {
      name: "the rate of a gauge",
      text: flow(resources.replace("mean", '"rate:mean"').replace("incoming.bytes", "queue.current")),
      says: '6:170 E110 rate:mean of alarm "g" needs a cumulative meter, and network.services.lb.queue.current is none | use avg, or a meter that is cumulative in docs/meters.md',
    },
    {
      name: "the rate of a rate",
      text: flow(resources.replace("mean", '"rate:mean"').replace("bytes", "bytes.rate")),
      says: `6:176 E110 rate:mean of alarm "g" needs a cumulative meter, and ${BYTES}.rate is none | use ${BYTES}`,
    },
    {
      name: "a resource of somebody else",
      text: flow(resources.replace("web", "other")),
      says: '6:146 E204 resource_id of alarm "g" is neither cluster web nor one of the file\'s rows | write "web"',
    },
    {
      name: "no resource",
      text: flow(resources.replace(" resource_id: web,", "")),
      says: '6:5 E104 resource_id is missing in alarm "g" | add "resource_id:"',
    },
    {
      name: "a meter that is none",
      text: gnocchi("resources", "metric: cpu\n    resource_id: web\n    aggregation_method: mean"),
      says: '10:13 E202 there is no meter "cpu", of which alarm "busy" speaks | docs/meters.md lists them',
    },
    {
      name: "several meters",
      text: gnocchi("aggregation_by_metrics", `metrics: [${BYTES}, ${BYTES}.rate]\n    aggregation_method: mean`),
      says: '10:14 E103 "metrics" must name one meter in alarm "busy": several are not added up | write an alarm for each, or type: composite',
    },
    {
      name: "no meters",
      text: gnocchi("aggregation_by_metrics", "metrics: []\n    aggregation_method: mean"),
      says: '10:14 E103 "metrics": at least one meter is needed in alarm "busy"',
    },
    {
      name: "a query that is not JSON",
      text: gnocchi("aggregation_by_resources", `query: not json\n    metric: ${BYTES}\n    aggregation_method: mean`),
      says: expect.stringMatching(/^10:12 E204 the query of alarm "busy" is not JSON: /) as string,
    },
    {
      name: "a query for another group",
      text: gnocchi(
        "aggregation_by_resources",
        `query: '{"=": {"server_group": "other"}}'\n    metric: ${BYTES}\n    aggregation_method: mean`,
      ),
      says: '10:12 E204 the query of alarm "busy" selects something else than cluster web | the file\'s cluster_id says which cluster: remove the query',
    },
    {
      name: "Aodh's threshold words",
      text: flow(`${resources}, statistic: max, period: 5`),
      says: [
        expect.stringMatching(/ E102 unknown key "statistic" in alarm "g" \| it belongs to type: threshold$/) as string,
        expect.stringMatching(/ E102 unknown key "period" in alarm "g" \| it belongs to type: threshold$/) as string,
      ],
    },
  ]);
});

describe("the cluster and its receivers", () => {
  table([
    {
      name: "sources that are no number",
      text: HEAD.replace("haproxy", "expect: 0\nhaproxy").concat("alarms: []\n"),
      says: '4:9 E103 "expect": must be at least 1',
    },
    {
      name: "a capacity upside down",
      text: `${HEAD}capacity: {min: 5, max: 2, boot: 1m}\nalarms: []\n`,
      says: "5:17 E108 the least capacity 5 is more than the most, 2",
    },
    {
      name: "an unknown word of capacity",
      text: `${HEAD}capacity: {mix: 5}\nalarms: []\n`,
      says: '5:12 E102 unknown key "mix" | did you mean "min"?',
    },
    {
      name: "a scaler that is to be told",
      text: receiver("class: control, on_no_effect: [receiver:out]"),
      says: '6:66 E211 receiver "out" scales: on_no_effect of receiver "ops" only tells someone | name a receiver of class: notice',
    },
    {
      name: "nobody to tell",
      text: receiver("class: control, on_no_effect: [receiver:opps, ops]"),
      says: [
        '6:66 E201 there is no receiver "opps" | did you mean "receiver:ops"?',
        '6:81 E201 on_no_effect names receivers: receiver:NAME | write "receiver:ops"',
      ],
    },
    {
      name: "no effect of who does nothing",
      text: receiver("on_no_effect: [receiver:ops]"),
      says: '6:49 W004 receiver "ops" scales nothing: on_no_effect never happens | remove it, or set class: control',
    },
    {
      name: "another scheme",
      text: receiver(`sign: {scheme: hmac, secret: ${SECRET}}`),
      says: '6:50 E103 "scheme" must be standard-webhooks in receiver "ops"',
    },
    {
      name: "a secret that is too short",
      text: receiver("sign: {scheme: standard-webhooks, secret: whsec_c2hvcnQ=}"),
      says: '6:77 E103 "secret" must be whsec_ and the base64 of 24 to 64 bytes | make one: echo whsec_$(head -c 32 /dev/urandom | base64)',
    },
    {
      name: "a secret that nobody set",
      text: receiver(`sign: {scheme: standard-webhooks, secret: "\${env:NOBODY}"}`),
      says: "6:77 W006 the environment has no variable NOBODY | nothing can be sent to this receiver until it can be read",
    },
    {
      name: "a secret that somebody set wrongly",
      text: receiver(`sign: {scheme: standard-webhooks, secret: "\${env:TOKEN}"}`),
      says: '6:77 W006 with its secrets put in: "secret" must be whsec_ and the base64 of 24 to 64 bytes | make one: echo whsec_$(head -c 32 /dev/urandom | base64)',
    },
    {
      name: "a URL that somebody set wrongly",
      text: receiver("max_age: 60").replace("https://h/x", `\${env:TOKEN}`),
      says: "6:20 W006 with its secrets put in: an alarm_url is http(s)://host[:port]/path without user, spaces or fragment, trust+http(s)://… with notifier.keystone, log: or test: | nothing can be sent to this receiver until that is mended",
    },
    {
      name: "an authority that is not there",
      text: receiver("tls: {ca_file: /nowhere/ca.pem}"),
      says: "6:50 W005 cannot read ca_file: ENOENT: no such file or directory, access '/nowhere/ca.pem' | nothing can be sent to this receiver until it can be read",
    },
    {
      name: "TLS without https",
      text: receiver("tls: {ca_file: /dev/null}").replace("https", "http"),
      says: "6:49 E108 tls is said, but alarm_url is not https | remove one, or mend the other",
    },
    {
      name: "a body that is none",
      text: receiver("body: aod"),
      says: '6:41 E103 "body" must be one of aodh, alertmanager-v4, tacker-v2, none, or a map in receiver "ops" | did you mean "aodh"?',
    },
    {
      name: "a type near another",
      text: receiver("type: webhok"),
      says: '6:41 E103 "type" must be one of webhook, senlin, heat, log in receiver "ops" | did you mean "webhook"?',
    },
    {
      name: "a word of connections",
      text: receiver("keep_alive: 30s"),
      says: '6:47 E103 "keep_alive" must be a boolean in receiver "ops"',
    },
  ]);
});

it("all of them at once: the head's, the receivers', and those of alarms that are wrong by themselves", () => {
  const text = `${HEAD}expct: 2\nalarms:\n  - {name: a, type: event, severity: hihg}\n  - {name: b, composite_rule: {and: []}}\n  - {name: c, suppressed_by: [nobody], type: event}\n`;
  expect(problems(text).map((line) => line.split(" ").slice(0, 2).join(" "))).toEqual([
    "5:1 E102",
    "7:38 E103",
    "8:37 E111",
    "9:31 E209",
  ]);
  expect(problems(text.replace("expct", "expect")).map((line) => line.split(" ").slice(0, 2).join(" "))).toEqual([
    "7:38 E103",
    "8:37 E111",
    "9:31 E209",
  ]);
});

it("a place is that of the very word it is about", () => {
  const text = composite(
    "{and: [{meter_name: tocsin.source.age, threshold: 5, comparison_operator: ge, per: server, period: 15}, {alarm: nobody}]}",
    "    suppressed_by: [nobody]\n",
  );
  const lines = text.split("\n");
  const { diagnostics } = loadRuleText("a.yaml", text, DEFAULTS);
  const under = diagnostics.map(({ line, column, length, code }) => [
    code,
    lines[line - 1]?.slice(column - 1, column - 1 + length),
  ]);
  expect(under).toEqual([
    ["E110", "server"],
    ["W003", "15"],
    ["E209", "nobody"],
    ["E209", "nobody"],
  ]);
});
