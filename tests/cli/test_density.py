from euclidium.cli.density import density


def test_verbs():
    names = [command.name for command in density.registered_commands]
    assert {"predict", "evaluate", "fields"} <= set(names)
