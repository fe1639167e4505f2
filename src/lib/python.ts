/** Text as Python writes it: Aodh's reasons and bodies are Python's, and receivers and people compare them. */

import { isList } from "./lists.ts";

/** A number that Python holds as a float: it prints `8.0` where an int prints `8`. */
export class PythonFloat {
  readonly value: number;
  constructor(value: number) {
    this.value = value;
  }
}

export type PythonValue =
  | string
  | number
  | boolean
  | null
  | PythonFloat
  | readonly PythonValue[]
  | { readonly [key: string]: PythonValue };

/** `repr()` of a float: shortest digits, exponent below 1e-4 and from 1e16 on, never without a fraction. */
export function floatRepr(value: number): string {
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
  if (value === 0) return Object.is(value, -0) ? "-0.0" : "0.0";
  const [mantissa = "0", exponentText = "0"] = Math.abs(value).toExponential().split("e");
  const sign = value < 0 ? "-" : "";
  const digits = mantissa.replace(".", "");
  const exponent = Number(exponentText);
  if (exponent < -4 || exponent >= 16) {
    const fraction = digits.length > 1 ? `.${digits.slice(1)}` : "";
    const power = String(Math.abs(exponent)).padStart(2, "0");
    return `${sign}${digits[0]}${fraction}e${exponent < 0 ? "-" : "+"}${power}`;
  }
  if (exponent < 0) return `${sign}0.${"0".repeat(-exponent - 1)}${digits}`;
  const whole = digits.slice(0, exponent + 1).padEnd(exponent + 1, "0");
  return `${sign}${whole}.${digits.slice(exponent + 1) || "0"}`;
}

/** `json.dumps()` with its defaults: `", "` and `": "`, ASCII only, keys in the order given. */
export function pythonJson(value: PythonValue): string {
  if (value instanceof PythonFloat) return floatRepr(value.value);
  if (value === null || typeof value === "number" || typeof value === "boolean") return String(value);
  if (typeof value === "string") return asciiString(value);
  if (isList(value)) return `[${value.map(pythonJson).join(", ")}]`;
  const entries = Object.entries(value);
  return `{${entries.map(([key, member]) => `${asciiString(key)}: ${pythonJson(member)}`).join(", ")}}`;
}

function asciiString(text: string): string {
  return JSON.stringify(text).replace(/[^ -~]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
