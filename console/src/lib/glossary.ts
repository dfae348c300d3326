/** The field's words, each with one meaning everywhere in the console. */
export const GLOSSARY: Record<string, readonly [name: string, meaning: string]> = {
  touch: ['Touch', 'A click, an impression or a visit that names or implies a source.'],
  install: ['Install', 'A new install. Reinstalls, re-attributions and re-engagements are figures of their own and never in it.'],
  attributed_install: ['Attributed install', 'An install that one touch won. It has one source; organic and unattributed installs have none.'],
  conversion_event: ['Conversion event', 'One event with a name, such as Order Completed. Different events are never added up without saying so.'],
  credit: [
    'Credit',
    'What a model gives a touch of one event or its revenue. It is shared out, hence the fractions; it is not the install’s winner.',
  ],
  revenue: ['Revenue', 'Net of refunds, in the currency that is said. What has no exchange rate is left out, and said so.'],
  untrusted: ['Untrusted', 'Stated with a client key, which anybody can read out of an app: anybody could have sent it.'],
  range: [
    'All models',
    'From the smallest to the largest that any model says, a tick for each. Firm: less than 20 % apart. Depends: the answer is the model’s, not the data’s.',
  ],
  organic: ['Organic', 'No touch was found.'],
  unattributed: ['Unattributed', 'There is evidence of a touch that cannot be used, such as a click id that was never recorded.'],
  opens: ['Opens', 'It was the first touch of the journey.'],
  assists: ['Assists', 'It was neither the first nor the last touch.'],
  closes: ['Closes', 'It was the last touch before the conversion.'],
};
