from bench.compare import changes, warnings


def row(cpu_us, spread, system="situs", **more):
    return {"bench": "gateway", "system": system, "cpu_us": cpu_us, "cpu_us_range": spread, **more}


def test_a_change_is_certain_only_when_the_ranges_do_not_touch():
    apart = changes([row(200, [190, 210])], [row(150, [140, 160])])[0]
    assert (apart.certain, round(apart.percent)) == (True, -25)
    touching = changes([row(200, [150, 210])], [row(150, [140, 160])])[0]
    assert not touching.certain


def test_rows_are_compared_by_what_they_are_about():
    found = changes([row(1, [1, 1]), row(9, [9, 9], "envoy")], [row(2, [2, 2]), row(3, [3, 3])])
    assert [(c.what, c.before, c.after) for c in found] == [("gateway situs", 1, 2.5)]
    assert found[0].after_range == (2, 3)


def test_when_and_where_are_no_figures():
    facts = {"rounds": 3, "cpus": 2, "at": "x", "busy": 0.5}
    found = changes([row(1, [1, 1], **facts)], [row(1, [1, 1], **{**facts, "at": "y"})])
    assert [c.figure for c in found] == ["cpu_us"]


def test_another_workload_is_said():
    said = warnings([row(1, [1, 1], workload="a")], [row(1, [1, 1], workload="b")])
    assert said == ["workload differs: ['a'] and ['b']"]
