// Records what the real cron-parser 4.9 answers, for test_import_cron_parser.py:
//
//     npm install cron-parser@4.9.0 && node record.cjs > firings.json
const { parseExpression } = require("cron-parser");

// From shortly before the nights when each zone's clocks are changed.
const STARTS = {
  UTC: ["2026-03-07T12:00:00Z", "2028-02-27T00:00:00Z"],
  "Europe/Berlin": ["2026-03-28T12:00:00Z", "2026-10-24T20:00:00Z"],
  "America/New_York": ["2026-03-07T12:00:00Z", "2026-10-31T20:00:00Z"],
  "Australia/Lord_Howe": ["2026-04-04T03:00:00Z", "2026-10-03T03:00:00Z"],
  "Africa/Cairo": ["2026-04-23T12:00:00Z", "2026-10-29T12:00:00Z"],
};
const EXPRESSIONS = [
  "0 0 * * *", "30 2 * * *", "30 1 * * *", "0 * * * *", "*/15 * * * *", "0,30 2 * * *",
  "*/30 2 * * *", "0 1-3 * * *", "0 */2 * * *", "0 */6 * * *", "15 3 * * 1-5", "0 9 * * 1",
  "0 0 13 * 5", "0 0 */2 * 1", "0 0 1-30 * 1", "0 0 13 * 0-6", "0 0 * * 1#2", "0 0 13 * 5#2",
  "0 0 20 * 5#2", "0 0 L * *", "0 0 15,L * *", "0 0 * * 5L", "0 0 * * 1,5L", "0 0 L * 1",
  "0 0 29 2 *", "0 0 ? * 2", "0 0 31 * *", "0 0 * * 7", "0 0 * * 5-7", "0 0 * * 0-7/2",
  "0 0 * * */2", "0 0 1 * *", "0 0 1 */3 *", "0 0 * jan,jul mon", "5/20 * * * *",
  "30 0 9 * * *", "*/20 * * * * *", "* *", "5", "5 4", "@yearly", "@monthly", "@weekly",
  "@daily", "@hourly", "0 24 * * *", "60 * * * *", "0 0 31 4 *", "0 22-2 * * *", "0 0 15W * *",
  "0 0 * * 1#6", "0 0 * * 1,2#2", "@annually", "* * * * * * *", "0 0 1,1 * *", "10 1-2 * * *",
  "59 1 * * *", "0 2,3 * * *", "0 0 1-31 * 5", "45 2 * * 0", "0 0 32 * *", "0 0 * * L", "0 0 * 13 *",
];

const firings = [];
for (const text of EXPRESSIONS) {
  for (const [zone, starts] of Object.entries(STARTS)) {
    for (const start of starts) {
      let times = null;
      try {
        const reader = parseExpression(text, { currentDate: new Date(start), tz: zone });
        times = Array.from({ length: 8 }, () => reader.next().getTime() / 1000);
      } catch {
        // It throws at the text, or finds no time.
      }
      firings.push({ text, zone, start, times });
    }
  }
}
process.stdout.write("[\n" + firings.map((each) => JSON.stringify(each)).join(",\n") + "\n]\n");
