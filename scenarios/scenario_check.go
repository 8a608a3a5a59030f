package scenarios

func checkScenario(d *decoder, scn *Scenario, site *Site) {}
