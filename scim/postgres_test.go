package scim_test

import "testing"

// TestPostgres runs the tests that reach the database once more on PostgreSQL
// (see newServer).
func TestPostgres(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]func(*testing.T){
		"TestSchemasByContent": TestSchemasByContent, "TestNullEqualsAbsent": TestNullEqualsAbsent,
		"TestRow08_ExternalIDPerDomain": TestRow08_ExternalIDPerDomain, "TestRow10_MetaAndHeaders": TestRow10_MetaAndHeaders,
		"TestRow18_ValuesAsSent": TestRow18_ValuesAsSent, "TestRow19_UserNamePrecis": TestRow19_UserNamePrecis,
		"TestUserNameRace": TestUserNameRace, "TestRow20_PasswordIsWriteOnly": TestRow20_PasswordIsWriteOnly,
		"TestOktaPasswordPlaceholder": TestOktaPasswordPlaceholder, "TestDeleteFreesName": TestDeleteFreesName,
		"TestInactiveStaysVisible": TestInactiveStaysVisible, "TestRow35_MalformedBodies": TestRow35_MalformedBodies,
		"TestRow36_UnknownPathsAndMethods": TestRow36_UnknownPathsAndMethods, "TestCustomTypeFromJSON": TestCustomTypeFromJSON,
		"TestListShape": TestListShape, "TestPagesDoNotOverlap": TestPagesDoNotOverlap, "TestRow58_ChangesBetweenPages": TestRow58_ChangesBetweenPages,
		"TestRow67_FiltersAreNeverIgnored": TestRow67_FiltersAreNeverIgnored, "TestRow72_RootQuery": TestRow72_RootQuery,
		"TestRow73_SearchRequest": TestRow73_SearchRequest, "TestRow74_CursorPages": TestRow74_CursorPages,
		"TestCursorBoundToQuery": TestCursorBoundToQuery, "TestRow76_OneCountPerQuery": TestRow76_OneCountPerQuery,
		"TestRow22_MemberRepresentation": TestRow22_MemberRepresentation, "TestRow103_UnknownMember": TestRow103_UnknownMember,
		"TestRow107_MembersAndVersion": TestRow107_MembersAndVersion, "TestRow107_DeletedMemberChangesGroup": TestRow107_DeletedMemberChangesGroup,
		"TestRow81_MembersAreAtomic": TestRow81_MembersAreAtomic, "TestGroupCycle": TestGroupCycle,
		"TestExcludedMembersNotRead": TestExcludedMembersNotRead, "TestGroupPatchCost": TestGroupPatchCost,
		"TestRow102_ManyMembersInOnePatch": TestRow102_ManyMembersInOnePatch, "TestRow31_GroupNames": TestRow31_GroupNames,
		"TestPutReplace": TestPutReplace, "TestRow84_PutOfTheSameIsNoChange": TestRow84_PutOfTheSameIsNoChange,
		"TestPatchNoOpKeepsVersion": TestPatchNoOpKeepsVersion, "TestETag": TestETag, "TestRow106_NoLostUpdate": TestRow106_NoLostUpdate,
		"TestDeactivateEndsLogins": TestDeactivateEndsLogins, "TestProjectionEveryMethod": TestProjectionEveryMethod,
		"TestGuard": TestGuard, "TestSelfServiceBelowTheRoutes": TestSelfServiceBelowTheRoutes, "TestSelfServiceVisibility": TestSelfServiceVisibility,
		"TestRow44_Me": TestRow44_Me, "TestInvisibleIs404": TestInvisibleIs404, "TestRow114_Audit": TestRow114_Audit,
		"TestRow114_NoEventWithoutChange": TestRow114_NoEventWithoutChange, "TestNoSecretsInLogsOrAudit": TestNoSecretsInLogsOrAudit,
		"TestRestore": TestRestore, "TestBrakeHoldsRemovals": TestBrakeHoldsRemovals, "TestRow110_ChangedSince": TestRow110_ChangedSince,
		"TestRow24_Manager": TestRow24_Manager, "TestRow32_CaseExact": TestRow32_CaseExact, "TestRow61_FilterSemantics": TestRow61_FilterSemantics,
		"TestBulkReferences": TestBulkReferences, "TestBulkFailOnErrors": TestBulkFailOnErrors, "TestBulkLongChains": TestBulkLongChains,
		"TestBulkBrake": TestBulkBrake, "TestRow106_BulkVersion": TestRow106_BulkVersion, "TestMassRemovalBrake": TestMassRemovalBrake,
		"TestIssueToken": TestIssueToken, "TestRevokeToken": TestRevokeToken, "TestErrorsAreSCIM": TestErrorsAreSCIM,
		"TestRow107_OneTagOneContent":   TestRow107_OneTagOneContent,
		"TestParallelMembersAndDeletes": TestParallelMembersAndDeletes,
	} {
		t.Run(name, test)
	}
}
