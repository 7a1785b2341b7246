/** What tabs of this page tell each other: that the keys for a model are forgotten. No key is in it. */

const NAME = "fhenn-forgotten";

/** The line between the tabs of one origin. */
export class OtherTabs {
  readonly #channel = typeof BroadcastChannel === "undefined" ? null : new BroadcastChannel(NAME);

  /** @param heard - told the fingerprint of a plan whose keys another tab has forgotten */
  constructor(heard: (plan: string) => void) {
    this.#channel?.addEventListener("message", ({ data }: MessageEvent<unknown>) => {
      if (typeof data === "string") heard(data);
    });
  }

  /** Tell the others that the keys for a plan are forgotten. */
  tell(plan: string): void {
    this.#channel?.postMessage(plan);
  }
}
