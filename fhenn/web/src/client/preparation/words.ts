/** `CountWords`: how often the words of a vocabulary are in a text. */

import { listOf, text, truth, whole } from "../built.ts";
import { ensure } from "../ensure.ts";
import type { Json, JsonObject } from "../json.ts";
import type { Fields, Frame, Kind } from "./frame.ts";
import { Step, StepFields } from "./step.ts";

/** scikit-learn's default: two letters, digits or underscores of any script, or more. */
const WORD = /[\p{L}\p{N}_]{2,}/gu;
/** Words of an n-gram, at most. */
const LONGEST = 8;

/** How a text is counted. */
interface Counting {
  readonly shortest: number;
  readonly longest: number;
  readonly lowercase: boolean;
  readonly stop: ReadonlySet<string>;
  readonly binary: boolean;
}

/** How often each word, or sequence of words, of a vocabulary is in a text. */
export class CountWords extends Step {
  override readonly name = "CountWords";
  private readonly places: ReadonlyMap<string, number>;

  private constructor(
    data: JsonObject,
    vocabulary: readonly string[],
    private readonly counting: Counting,
  ) {
    super(data);
    this.places = new Map(vocabulary.map((term, place) => [term, place]));
    const distinct = this.places.size === vocabulary.length && vocabulary.length > 0;
    ensure(distinct, "a vocabulary is empty, or has a term twice.", "Give each term once.");
    const { shortest, longest } = counting;
    const fit = 1 <= shortest && shortest <= longest && longest <= LONGEST;
    ensure(fit, `sequences of ${shortest} to ${longest} words are not counted.`, `Count those of 1 to ${LONGEST}.`);
  }

  static of(value: Json): CountWords {
    const fields = new StepFields(value);
    const vocabulary = fields.need("vocabulary", listOf(text));
    const counting = {
      shortest: fields.take("shortest", whole, 1n),
      longest: fields.take("longest", whole, 1n),
      lowercase: fields.take("lowercase", truth, true),
      stop: new Set(fields.take("stop", listOf(text), [])),
      binary: fields.take("binary", truth, false),
    };
    return new CountWords(fields.end(), vocabulary, counting);
  }

  override wants(count: number): readonly (Kind | null)[] {
    return Array.from({ length: count }, () => "text");
  }

  override after(before: Fields): Fields {
    const reason = `a step CountWords is for 1 column, and ${before.length} come in.`;
    ensure(before.length === 1, reason, "Give it one.");
    const origin = before[0]?.origin ?? null;
    return Array.from({ length: this.places.size }, () => ({ kind: "number", origin }));
  }

  override apply(frame: Frame): Frame {
    const columns = Array.from(this.places, () => new Float64Array(frame.rows));
    const cells = frame.columns[0] ?? [];
    for (let row = 0; row < frame.rows; row += 1) {
      for (const term of this.terms(String(cells[row] ?? ""))) {
        const column = columns[this.places.get(term) ?? -1];
        if (column !== undefined) {
          column[row] = this.counting.binary ? 1 : (column[row] ?? 0) + 1;
        }
      }
    }
    return frame.with(columns, this.after(frame.fields));
  }

  /** The words and sequences of a text. */
  private *terms(whole: string): Generator<string> {
    const { shortest, longest, lowercase, stop } = this.counting;
    const found = (lowercase ? whole.toLowerCase() : whole).match(WORD) ?? [];
    const words = found.filter((word) => !stop.has(word));
    for (let length = shortest; length <= longest; length += 1) {
      for (let start = 0; start + length <= words.length; start += 1) {
        yield words.slice(start, start + length).join(" ");
      }
    }
  }
}
