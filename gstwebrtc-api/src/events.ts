// SPDX-License-Identifier: MPL-2.0
/**
 * Event targets whose events have types.
 *
 * Every public class of the library dispatches DOM events; this module only gives them names and types. The
 * events themselves stay ordinary `Event`, `ErrorEvent` and `CustomEvent` objects, as pages expect.
 *
 * @module
 */

/** Options of `addEventListener`, among them an `AbortSignal` that removes the listener. */
export type ListenerOptions = boolean | AddEventListenerOptions;

/** An `EventTarget` that dispatches the events of the map `E`: event name to event type. */
export interface TypedEventTarget<E> extends EventTarget {
  /** Calls `listener` for each event of this type. */
  addEventListener<K extends keyof E & string>(
    type: K,
    listener: (event: E[K]) => void,
    options?: ListenerOptions,
  ): void;
  /** Calls `listener` for each event of a type that is only known at run time. */
  addEventListener(type: string, listener: EventListenerOrEventListenerObject | null, options?: ListenerOptions): void;
  /** Takes back what `addEventListener` did with the same listener. */
  removeEventListener<K extends keyof E & string>(
    type: K,
    listener: (event: E[K]) => void,
    options?: boolean | EventListenerOptions,
  ): void;
  /** Takes back what `addEventListener` did with the same listener. */
  removeEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | EventListenerOptions,
  ): void;
}

/** `EventTarget` itself, seen as a base class with typed events. */
export const TypedEventTarget = EventTarget as unknown as new <E>() => TypedEventTarget<E>;

/** An `error` event with a text for people and, where there is one, the error that caused it. */
export function errorEvent(message: string, error?: unknown): ErrorEvent {
  return new ErrorEvent("error", { message, error });
}

/** A `CustomEvent` whose detail has a type. */
export function detailEvent<T>(type: string, detail: T): CustomEvent<T> {
  return new CustomEvent<T>(type, { detail });
}
