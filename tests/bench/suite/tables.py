"""The result as tables: for a terminal, and in Markdown for docs/performance.md."""

from measure import MODES, SERVER_KEY, WAYS


# Columns of words; those of numbers are set to the right.
WORDS = ("mode", "what", "bar", "asked", "arriving", "step", "part")


def table(head, rows):
    """Markdown, padded so that a person can read it as it is."""
    cells = [[str(cell) for cell in row] for row in [head, *rows]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]

    def line(row):
        return "| " + " | ".join(cell.ljust(width) if title in WORDS else cell.rjust(width)
                                 for title, cell, width in zip(head, row, widths)) + " |"

    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([line(cells[0]), rule, *(line(row) for row in cells[1:])])


def ms(value):
    return "–" if value is None else f"{value:.1f}"


def rate_rows(rows):
    return [[f"{row['iterations']:,}", MODES[row["mode"]], row["in_flight"],
             f"{row['rate']:.0f}" + ("*" if row["disturbed"] else "") + ("!" if row["refused"] else ""),
             ms(row["p50_ms"]), ms(row["p99_ms"]), ms(row["p999_ms"]),
             row["cpu_us"]["assayd"], row["cpu_us"]["postgres"], row["cpu_us"]["client"],
             f"{row['ideal']:.0f}", f"{row['of_ideal']:.2f}", f"{row['of_ideal_by_cpu']:.2f}",
             f"{row['openssl']:.0f}", f"{row['of_openssl']:.2f}"]
            for row in rows]


RATE_HEAD = ["iterations", "mode", "in flight", "per second", "p50 ms", "p99 ms", "p99.9 ms", "assayd µs",
             "PostgreSQL µs", "client µs", "ideal", "ratio", "by CPU", "bare OpenSSL", "ratio to it"]


def bars(result):
    def limit(bar):
        return f"at least {bar['least']:.2f}" if bar["least"] is not None else f"under {bar['most']:.0f}{bar['unit']}"

    def value(bar):
        return f"{bar['value']:.2f}" if bar["least"] is not None else f"{bar['value']:.0f}{bar['unit']}"

    return table(["what", "bar", "reached", "met"],
                 [[bar["what"], limit(bar), value(bar), "yes" if bar["met"] else "NO"] for bar in result["bars"]])


def steady(result):
    return table(["iterations", "asked", "arriving", "a second", "p50 ms", "p99 ms", "p99.9 ms", "bar ms"],
                 [[f"{row['iterations']:,}", WAYS[row.get("mode", SERVER_KEY)], row["arrivals"], f"{row['asked']:.0f}" + ("*" if row["disturbed"] else ""),
                   ms(row["p50_ms"]), ms(row["p99_ms"]), ms(row["p999_ms"]), row["bar_ms"]] for row in result["steady"]])


def across(title, by_iterations, cell):
    """One row a part, one column an iteration count."""
    counts = list(by_iterations)
    names = list(dict.fromkeys(name for count in counts for name in by_iterations[count]))
    return table([title, *(f"{int(count):,}" for count in counts)],
                 [[name, *(cell(by_iterations[count].get(name)) for count in counts)] for name in names])


def parts(result):
    return across("part", result["parts"],
                  lambda part: "–" if part is None else f"{part['us']:.0f} µs ({part['share']:.0%})")


def steps(result):
    return across("step", result["steps"], lambda value: "–" if value is None else f"{value:.2f} ms")


def rows_of_database(result):
    seen = result["rows"]
    return table(["devices before", "per second", "p50 ms", "p99 ms", "assayd µs", "PostgreSQL µs"],
                 [[f"{row['rows']:,}", f"{row['rate']:.0f}" + ("*" if row["disturbed"] else ""), ms(row["p50_ms"]),
                   ms(row["p99_ms"]), row["cpu_us"]["assayd"], row["cpu_us"]["postgres"]] for row in seen["rates"]])


def memory(result):
    seen = result["memory"]
    return (f"Memory of `assayd`: {seen['rest_mib']:.0f} MiB at rest, {seen['highest_mib']:.0f} MiB at its highest under all of "
            f"this load, {seen['idle_mib']:.0f} MiB with {seen['idle_lines']} idle lines, "
            f"{seen['idle_and_load_mib']:.0f} MiB at its highest with these and 256 calls in flight beside.")


def disk(result):
    seen = result.get("disk")
    if seen is None:
        return "What Linux makes of the database's disk is not known."
    delay = seen["flush_delay_ms"]
    return (f"Linux takes the database's disk for {'a spinning' if seen['spins'] else 'no spinning'} one and lets data hold up a flush "
            f"of the WAL for {f'{delay:.0f} ms' if delay > 0 else 'as long as it takes'} (`wbt_lat_usec`).")


def noise(result):
    before = result["before"]
    rows = result["rates"] + result["openssl_rates"] + result["steady"]
    disturbed = sum(row["disturbed"] for row in rows)
    windows = sum(len(row["rates"]) for row in rows)
    text = (f"Before the run {before['busy']:.0%} of the cores was in use (load average {before['load_average']:.1f}; "
            f"{before['steal']:.0%} taken by the host). ")
    if disturbed:
        return text + (f"In {disturbed} of {windows} windows other programs or the host took more than 6 % of the cores, "
                       f"at most {max(row['foreign'] + row['steal'] for row in rows):.0%}: rows marked * say less for it.")
    return text + f"In none of {windows} windows did other programs or the host take more than 6 % of the cores."


def refusals(result):
    rows = [row for row in result["rates"] + result["openssl_rates"] + result["steady"] if row["refused"]]
    return [f"! {row['refused']} calls were refused at {row['iterations']:,} iterations, the first with: {row['first_refusal']}"
            for row in rows]


def report(result, flames=()):
    """All of it as Markdown, which a terminal shows as well."""
    form = (f"{result['processor']}, {result['cores']} cores; {result['taken_at']}, commit {result['commit']}, the {result['form']} "
            f"form in {result['took_seconds'] // 60} min {result['took_seconds'] % 60} s: {result['rounds']} "
            f"round{'s' if result['rounds'] > 1 else ''} of {result['seconds_a_window']} s a row, one row after the other, medians; client and database on the same cores.")
    out = [form, f"{noise(result)} {disk(result)}", "Bars:", bars(result),
           "Identities a second. *Ideal* is the cryptography alone on all cores with the fastest kernels, *bare OpenSSL* the same "
           "with OpenSSL's PBKDF2, both measured beside each group of rows; µs are processor time an identity, "
           "*by CPU* is that of the ideal to that of all three: what the ratio comes to where nothing but the cores is waited for.",
           table(RATE_HEAD, rate_rows(result["rates"])),
           "At 70 % of the peak of the same way of asking right before, server key, calls coming whether the former are answered or not:", steady(result)]
    if result["parts"]:
        out += ["Processor time of `assayd` an identity, by part (samples; 64 in flight, server key):", parts(result)]
    out += ["Time from the end of one step to the end of the next, waiting for batches included, by `assayd`'s own metrics:",
            steps(result), memory(result)]
    if "rows" in result:
        out += [f"With {result['rows']['rates'][-1]['rows']:,} devices in the database, {result['rows']['iterations']:,} iterations, 64 in flight, "
                f"in turns: {result['rows']['ratio']:.2f} of the rate with 10,000.", rows_of_database(result)]
    out += ["The OpenSSL path (`ASSAY_PBKDF2_KERNEL` and `ASSAY_ECDSA_KERNEL` are `openssl`):", table(RATE_HEAD, rate_rows(result["openssl_rates"]))]
    out += refusals(result)
    out += [f"![{title}]({name})" for title, name in flames]
    return "\n\n".join(out) + "\n"


BEGIN, END = "<!-- figures: written by tests/bench/run --docs -->", "<!-- end of figures -->"


def put_between_marks(path, text):
    with open(path, encoding="utf-8") as file:
        page = file.read()
    before, found, rest = page.partition(BEGIN)
    _, ended, after = rest.partition(END)
    if not found or not ended:
        raise RuntimeError(f"{path} has no marks {BEGIN} and {END}")
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"{before}{BEGIN}\n\n{text}\n{END}{after}")
