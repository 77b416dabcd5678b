"""What this machine is, and whether a run fits it: facts, gathered here, and judgements, which are functions of facts alone."""
