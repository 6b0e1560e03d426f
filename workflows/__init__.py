"""The shop's workflows: durable sequences of steps that jobs run."""
