//! The tests of the public interface. Those that take long to compile are packages of their own: the
//! properties in `tests/props`, and the stacks that users build in `tests/stacks`.
//!
//! Which test guards which requirement:
//!
//! | requirement | tests |
//! |---|---|
//! | R1 | `cases::every_case_has_its_whole_answer`, `rfc6749::rfc6749_3_2_only_post_is_accepted`, `settings::headers_only` |
//! | R2 | `cases::every_case_has_its_whole_answer`, `grpc::what_looks_like_grpc_and_is_not_is_held_to_the_rules_of_http`, `rfc6749::rfc6749_appendix_b_the_body_is_a_form_of_exactly_that_media_type`, `rfc9110::rfc9110_8_3_1_media_types_are_compared_whole_without_case_and_parameters` |
//! | R3 | `bodies::empty_frames_without_a_media_type_are_an_empty_body`, `cases::every_case_has_its_whole_answer`, `rfc9110::rfc9110_8_3_a_body_without_a_media_type_is_not_taken_for_a_form` |
//! | R4 | `bodies::a_body_that_is_declared_too_large_is_refused_without_being_polled`, `bodies::a_body_that_says_nothing_of_its_length_is_refused_where_it_passes_the_limit`, `bodies::no_memory_is_reserved_for_a_declared_length`, `cases::every_case_has_its_whole_answer` and more |
//! | R5 | `bodies::a_body_arrives_inside_octet_for_octet_however_it_is_cut`, `bodies::empty_frames_are_skipped`, `bodies::trailers_are_kept_apart_from_the_body`, `bodies::an_untouched_stream_is_handed_on_as_it_is` and more |
//! | R6 | `props::whatever_is_sent_gets_a_well_formed_answer`, `tower_contract::the_inner_service_is_called_exactly_once_on_success`, `tower_contract::the_inner_service_is_never_called_on_refusal`, `tower_contract::a_client_that_is_already_in_the_extensions_is_replaced_and_never_trusted` |
//! | R7 | `cases::every_case_has_its_whole_answer`, `props::the_id_that_is_looked_up_is_the_one_that_the_oracle_reads`, `props::any_id_and_secret_come_through_post`, `rfc6749::rfc6749_appendix_b_parameters_are_decoded_to_strict_utf_8` |
//! | R8 | `cases::every_case_has_its_whole_answer`, `rfc6749::rfc6749_appendix_b_malformed_escapes_are_refused_and_only_ampersands_separate` |
//! | R9 | `cases::every_case_has_its_whole_answer`, `props::the_id_that_is_looked_up_is_the_one_that_the_oracle_reads`, `rfc6749::rfc6749_appendix_b_malformed_escapes_are_refused_and_only_ampersands_separate` |
//! | R10 | `cases::every_case_has_its_whole_answer`, `rfc6749::rfc6749_3_2_a_parameter_without_a_value_is_omitted` |
//! | R11 | `cases::every_case_has_its_whole_answer`, `rfc6749::rfc6749_3_2_repeated_credential_parameters_are_refused_however_they_are_encoded`, `settings::last_parameter_wins` |
//! | R12 | `cases::every_case_has_its_whole_answer`, `rfc6749::rfc6749_3_2_other_parameters_of_the_rfc_may_not_be_repeated_and_extensions_may`, `settings::last_parameter_wins` |
//! | R13 | `cases::every_case_has_its_whole_answer`, `rfc6749::rfc6749_3_2_unknown_parameters_are_ignored` |
//! | R14 | `cases::every_case_has_its_whole_answer`, `rfc6749::rfc6749_2_3_1_credentials_never_come_from_the_uri`, `settings::refuse_uri_credentials` |
//! | R15 | `rfc6749::rfc6749_3_2_tls_can_be_required_before_anything_else` |
//! | R16 | `cases::every_case_has_its_whole_answer`, `rfc9110::rfc9110_8_4_a_content_coding_is_refused_and_never_decoded` |
//! | R17 | `bodies::a_body_that_breaks_is_refused_whatever_arrived_before` |
//! | R18 | `cases::every_case_has_its_whole_answer`, `rfc6749::rfc6749_2_3_two_methods_are_refused_even_if_both_are_right` |
//! | R19 | `cases::every_case_has_its_whole_answer`, `rfc6749::rfc6749_2_3_two_methods_are_refused_even_if_both_are_right` |
//! | R20 | `cases::every_case_has_its_whole_answer`, `rfc6749::rfc6749_3_2_1_the_same_client_id_beside_basic_is_no_second_method` |
//! | R21 | `cases::every_case_has_its_whole_answer`, `rfc6749::rfc6749_3_2_1_another_client_id_beside_basic_is_refused` |
//! | R22 | `cases::every_case_has_its_whole_answer`, `rfc6749::rfc6749_3_2_1_an_id_alone_identifies_public_clients_only` |
//! | R23 | `cases::every_case_has_its_whole_answer`, `rfc6749::rfc6749_5_2_no_client_at_all_is_invalid_client` |
//! | R24 | `cases::every_case_has_its_whole_answer`, `rfc6749::rfc6749_5_2_another_scheme_is_invalid_client_and_not_overlooked` |
//! | R25 | `cases::every_case_has_its_whole_answer`, `rfc9110::rfc9110_11_6_2_several_authorizations_are_refused_even_if_they_are_equal` |
//! | R26 | `cases::every_case_has_its_whole_answer`, `rfc6749::rfc6749_2_3_a_malformed_header_never_falls_back_to_another_method` |
//! | R27 | `cases::every_case_has_its_whole_answer`, `rfc6749::rfc6749_2_3_1_credentials_never_come_from_other_headers`, `settings::headers_only` |
//! | R28 | `cases::every_case_has_its_whole_answer`, `rfc6749::rfc6749_2_3_1_a_secret_needs_a_client_id` |
//! | R29 | `cases::every_case_has_its_whole_answer`, `props::an_id_is_found_octet_for_octet`, `rfc6749::rfc6749_2_2_ids_and_secrets_are_compared_octet_for_octet` |
//! | R30 | `cases::every_case_has_its_whole_answer`, `rfc6749::rfc6749_2_2_ids_and_secrets_are_compared_octet_for_octet` |
//! | R31 | `cases::every_case_has_its_whole_answer`, `rfc7617::rfc7617_2_the_scheme_is_case_insensitive` |
//! | R32 | `cases::every_case_has_its_whole_answer`, `rfc7617::rfc7617_2_spaces_and_nothing_else_separate_scheme_and_token` |
//! | R33 | `cases::every_case_has_its_whole_answer`, `props::a_header_with_one_octet_changed_lets_nobody_in`, `rfc7617::rfc7617_2_junk_in_the_token_is_refused_and_not_skipped` |
//! | R34 | `cases::every_case_has_its_whole_answer`, `rfc7617::rfc7617_2_padding_may_be_missing_and_spare_bits_must_be_zero` |
//! | R35 | `cases::every_case_has_its_whole_answer`, `props::a_token_is_read_as_the_oracle_reads_its_halves`, `rfc7617::rfc7617_2_the_first_colon_separates_before_anything_is_decoded` |
//! | R36 | `cases::every_case_has_its_whole_answer`, `props::the_id_that_is_looked_up_is_the_one_that_the_oracle_reads`, `props::any_id_and_secret_come_through_basic`, `props::a_token_is_read_as_the_oracle_reads_its_halves` and more |
//! | R37 | `cases::every_case_has_its_whole_answer`, `props::a_token_is_read_as_the_oracle_reads_its_halves`, `rfc7617::rfc7617_2_control_characters_are_refused_bare_and_encoded` |
//! | R38 | `cases::every_case_has_its_whole_answer`, `rfc7591::an_empty_stored_secret_matches_nothing`, `rfc7617::rfc7617_2_an_empty_password_equals_nothing` |
//! | R39 | `rfc6749::rfc6749_2_3_1_both_halves_of_basic_are_form_decoded_exactly_once`, `secrets_at_rest::r39_a_slow_secret_is_also_compared_as_it_stands_if_that_is_set`, `secrets_at_rest::a_store_gets_the_secret_in_the_form_that_matched`, `settings::raw_basic` and more |
//! | R40 | `rfc7617::rfc7617_2_malformed_values_are_answered_401_with_a_challenge` |
//! | R41 | `cases::every_case_has_its_whole_answer`, `rfc7617::rfc7617_2_1_octets_beyond_ascii_are_octets` |
//! | R42 | `cases::every_case_has_its_whole_answer`, `rfc7591::rfc7591_2_the_registered_method_is_the_only_one_a_client_may_use`, `settings::settings_hold_for_digests_as_for_plain_secrets` |
//! | R43 | `metadata::records_become_clients_or_fail_closed`, `rfc7591::rfc7591_2_an_absent_method_is_client_secret_basic` |
//! | R44 | `settings::interchange_basic_and_post`, `settings::settings_hold_for_digests_as_for_plain_secrets` |
//! | R45 | `cases::every_case_has_its_whole_answer`, `metadata::records_become_clients_or_fail_closed`, `rfc7591::rfc7591_2_an_unknown_method_fails_closed_and_is_never_none` |
//! | R46 | `cases::every_case_has_its_whole_answer`, `metadata::records_become_clients_or_fail_closed`, `rfc7591::rfc7591_2_a_secret_method_without_a_stored_secret_fails_closed`, `rfc7591::rfc7591_2_contradictory_registrations_are_told_apart_at_construction` |
//! | R47 | `cases::every_case_has_its_whole_answer`, `rfc7591::rfc7591_2_a_public_client_presents_no_credentials`, `settings::ignore_public_credentials` |
//! | R48 | `cases::every_case_has_its_whole_answer`, `metadata::records_become_clients_or_fail_closed`, `rfc7591::rfc7591_2_contradictory_registrations_are_told_apart_at_construction`, `rfc7591::rfc7591_2_none_with_a_stored_secret_is_a_contradiction` |
//! | R49 | `rfc7009_7662::rfc7662_2_1_introspection_can_be_closed_to_public_clients`, `rfc7009_7662::rfc7662_2_1_a_closed_endpoint_stays_closed_when_credentials_of_public_clients_are_ignored`, `rfc7009_7662::rfc7009_2_1_revocation_par_and_device_authorization_accept_public_clients` |
//! | R50 | `settings::auth_methods`, `settings::auth_methods_that_cannot_work_are_errors_at_construction` |
//! | R51 | `cases::every_case_has_its_whole_answer`, `rfc6749::rfc6749_2_3_1_basic_and_body_credentials_work_by_default` |
//! | R52 | `cases::every_case_has_its_whole_answer`, `rfc6749::rfc6749_10_10_a_secret_is_right_as_a_whole_or_not_at_all` |
//! | R53 | `cases::every_case_has_its_whole_answer`, `rfc7591::rfc6819_5_1_4_1_3_a_digest_is_enough`, `secrets_at_rest::r53_a_secret_may_be_verified_elsewhere`, `secrets_at_rest::r53_a_phc_string_of_each_algorithm_is_verified`, `secrets_at_rest::r53_a_long_secret_is_hashed_to_its_end` |
//! | R54 | `secrets_at_rest::r54_a_hash_does_not_delay_an_unrelated_request`, `secrets_at_rest::r54_one_request_too_many_is_503_with_retry_after`, `secrets_at_rest::r54_a_verifier_that_waits_delays_nobody_else_and_ends_with_its_request`, `pool::tests`, beside the code |
//! | R55 | `cases::every_case_has_its_whole_answer`, `rfc7591::rfc7591_3_2_1_any_valid_secret_of_several_will_do_in_any_order`, `secrets_at_rest::r55_every_stored_secret_is_compared`, `secrets_at_rest::r61_the_window_of_a_slow_secret_counts_after_the_comparison` |
//! | R56 | `secrets_at_rest::rfc6749_10_10_a_generated_secret_has_256_bits_and_works` |
//! | R57 | `auto_traits::a_secret_can_be_neither_compared_nor_written`, `metadata::the_secret_of_metadata_is_neither_shown_nor_written`, `secrecy::nothing_secret_is_printed_of_what_is_stored` |
//! | R58 | `cases::every_case_has_its_whole_answer`, `metadata::rfc7591_3_2_1_zero_and_absent_are_kept_apart`, `metadata::records_become_clients_or_fail_closed`, `rfc7591::rfc7591_3_2_1_a_secret_expires_at_its_second` |
//! | R59 | `cases::every_case_has_its_whole_answer`, `rfc7591::rfc7591_3_2_1_a_secret_expires_at_its_second`, `secrets_at_rest::r61_the_window_of_a_slow_secret_counts_after_the_comparison` |
//! | R60 | `metadata::records_become_clients_or_fail_closed`, `rfc7591::rfc7591_3_2_1_a_secret_expires_at_its_second` |
//! | R61 | `cases::every_case_has_its_whole_answer`, `rfc7591::rfc7591_3_2_1_any_valid_secret_of_several_will_do_in_any_order`, `secrets_at_rest::r61_the_window_of_a_slow_secret_counts_after_the_comparison` |
//! | R62 | `rfc7523::oidc_10_1_a_secret_keys_assertions_while_it_is_valid` |
//! | R63 | `rfc7591::rfc7591_3_2_1_a_secret_expires_at_its_second`, `settings::clock` |
//! | R64 | `rfc6749::rfc6749_5_2_every_kind_of_refusal_has_its_whole_answer`, `rfc6749::rfc6749_5_2_every_refusal_is_json_with_registered_codes_and_allowed_characters` |
//! | R65 | `rfc6749::rfc6749_5_2_every_kind_of_refusal_has_its_whole_answer`, `rfc6749::rfc6749_5_2_every_refusal_is_json_with_registered_codes_and_allowed_characters` |
//! | R66 | `rfc6749::rfc6749_5_2_a_failed_authorization_header_is_answered_401_with_its_scheme` |
//! | R67 | `rfc7009_7662::rfc7662_2_3_invalid_credentials_are_401_whichever_method_was_used` |
//! | R68 | `rfc9110::rfc9110_15_5_2_every_401_carries_exactly_one_challenge_and_nothing_else_does` |
//! | R69 | `rfc7617::rfc7617_2_the_realm_is_quoted`, `rfc7617::rfc7617_2_a_realm_that_cannot_be_sent_is_an_error_at_construction` |
//! | R70 | `rfc6749::rfc6749_5_2_every_kind_of_refusal_has_its_whole_answer`, `rfc6749::rfc6749_5_2_every_refusal_is_json_with_registered_codes_and_allowed_characters` |
//! | R71 | `rfc6749::rfc6749_5_2_nothing_of_the_request_is_echoed` |
//! | R72 | `rfc6749::rfc6749_5_2_every_kind_of_refusal_has_its_whole_answer`, `rfc9110::rfc9110_15_5_refusals_say_what_would_be_allowed_and_are_not_cached` |
//! | R73 | `secrets_at_rest::r73_a_verifier_that_fails_or_panics_is_503_and_the_service_goes_on`, `secrets_at_rest::r73_a_verifier_that_does_not_answer_is_503_at_the_deadline`, `pool::tests`, beside the code, `grpc::grpc_outages_are_unavailable`, `providers::a_provider_that_fails_is_answered_503_without_detail`, `providers::a_provider_that_panics_is_answered_503_and_the_service_stays_usable`, `providers::a_provider_that_does_not_answer_is_answered_503_at_its_deadline` and more, `cache::r73_a_provider_that_panics_is_503_for_all_who_waited` |
//! | R74 | `rfc6749::rfc6749_5_2_every_kind_of_refusal_has_its_whole_answer`, `rfc9110::rfc9110_15_5_refusals_say_what_would_be_allowed_and_are_not_cached` |
//! | R75 | `grpc::grpc_outages_are_unavailable`, `providers::a_throttled_attempt_is_answered_429_with_the_time_to_wait`, `rfc6749::rfc6749_5_2_every_kind_of_refusal_has_its_whole_answer` |
//! | R76 | by design or documentation |
//! | R77 | `cases::every_case_has_its_whole_answer`, `props::unknown_wrong_expired_and_mismatched_are_answered_alike`, `rfc6749::rfc6749_10_10_unknown_wrong_expired_and_mismatched_are_answered_octet_for_octet_alike` |
//! | R78 | `secrets_at_rest::r78_who_has_no_stored_secret_costs_one_verification_of_the_decoy`, `secrets_at_rest::r78_who_presents_no_secret_costs_no_verification`, `settings::decoy`, `secrets_at_rest::hashes::r78_the_decoy_is_of_the_kind_that_the_store_returns`, `secrets_at_rest::r78_a_secret_that_is_verified_elsewhere_is_not_taken_for_a_decoy`, `decoy::tests`, beside the code |
//! | R79 | `providers::a_throttled_attempt_is_answered_429_with_the_time_to_wait`, `providers::a_throttle_runs_before_the_store_is_asked`, `settings::on_outcome_sees_every_decision_with_its_reason`, `cache::r79_throttled_passes_through_and_is_not_remembered`, `cache::r79_stale_if_error_does_not_get_around_a_throttle` |
//! | R80 | by design or documentation |
//! | R81 | `rfc7523::rfc7521_4_2_both_parameters_make_an_assertion`, `settings::auth_methods_that_cannot_work_are_errors_at_construction` |
//! | R82 | `rfc7523::rfc7523_3_issuer_subject_and_client_id_are_one_client` |
//! | R83 | `rfc7523::rfc7523bis_4_the_issuer_is_the_sole_audience` |
//! | R84 | `rfc7523::rfc7523_3_times_are_held_to_the_clock` |
//! | R85 | `rfc7523::rfc7523_3_an_assertion_is_accepted_once`, `rfc7523::rfc7523_3_an_id_is_claimed_last`, `replay::rfc7523_3_an_assertion_is_claimed_once`, `replay::of_many_at_once_exactly_one_is_granted`, `replay::the_pair_of_client_and_jti_counts_and_not_how_it_is_written_in_a_row`, `replay_redis::two_processes_that_share_a_redis_never_accept_an_assertion_twice` |
//! | R86 | `rfc7523::rfc8725_3_11_a_jwt_for_another_purpose_is_refused` |
//! | R87 | `rfc7523::rfc8725_3_1_every_accepted_algorithm_and_no_other`, `rfc7523::rfc8725_3_1_the_registered_algorithm_is_the_only_one` |
//! | R88 | `rfc7523::rfc8725_2_1_a_public_key_is_never_a_secret` |
//! | R89 | `rfc7523::rfc7515_4_1_a_header_brings_no_key_and_nothing_critical`, `rfc7523::rfc7517_4_the_key_id_and_the_purpose_of_keys_are_respected`, `rfc7523::rfc7517_5_key_sets_that_cannot_be_trusted_are_refused` |
//! | R90 | `rfc7523::rfc7515_7_1_only_the_strict_compact_form_is_read`, `rfc7523::rfc7515_4_1_a_header_brings_no_key_and_nothing_critical`, `rfc7523::rfc7518_3_4_signatures_have_one_form` |
//! | R91 | `rfc7523::rfc7519_4_hostile_claims_cost_a_bounded_amount_of_work` |
//! | R92 | `rfc7523::oidc_10_1_a_secret_keys_assertions_while_it_is_valid` |
//! | R93 | `jwt::remote::tests`, `jwt::fetch::tests`, `jwt::fetch::chain` and `jwt::address::tests`, beside the code, `rfc7523::rfc7591_2_published_keys_need_a_source` |
//! | R94 | `rfc7523::rfc7521_4_2_1_every_failed_assertion_gets_the_same_answer` |
//! | R95 | later, with certificates |
//! | R96 | later, with certificates |
//! | R97 | later, with certificates |
//! | R98 | later, with certificates |
//! | R99 | later, with certificates |
//! | R100 | later, with certificates |
//! | R101 | `cases::every_case_has_its_whole_answer` |
//! | R102 | by design or documentation |
//! | R103 | `rfc7009_7662::rfc8414_2_the_announced_methods_are_those_that_work`, `rfc7009_7662::rfc8414_2_a_gateway_that_reads_headers_announces_basic_alone` |
//! | R104 | `metadata::rfc7591_3_2_1_a_document_round_trips_but_for_the_secret`, `metadata::rfc7591_3_2_1_zero_and_absent_are_kept_apart` |
//! | R105 | `rfc7591::iana_names_are_read_and_written_as_they_are` |
//! | R106 | `cases::every_case_has_its_whole_answer`, `providers::an_id_that_is_a_url_reaches_the_provider_as_it_was_sent`, `rfc7591::a_url_as_client_id_is_text` |
//! | R107 | `cases::a_service_keeps_nothing_from_one_request_to_the_next`, `providers::clients_can_be_inserted_and_removed_while_serving`, `rfc7591::rfc7592_changes_take_effect_with_the_next_request`, `cache::r107_an_answer_is_as_old_as_its_question`, `cache::r107_a_changed_secret_counts_when_the_time_is_over`, `cache::r107_a_changed_secret_counts_at_once_when_it_is_invalidated` |
//! | R108 | `bodies::a_hundred_thousand_parameters_are_refused_and_cost_no_look_up`, `cases::every_case_has_its_whole_answer`, `settings::limits` |
//! | R109 | `bodies::a_hundred_thousand_parameters_are_refused_and_cost_no_look_up`, `rfc6749::no_malformed_request_reaches_the_provider_and_no_request_asks_it_twice` |
//! | R110 | `providers::a_provider_that_does_not_answer_is_answered_503_at_its_deadline`, `secrecy::a_request_that_is_dropped_is_not_logged`, `tower_contract::a_future_that_is_dropped_at_any_stage_leaves_nothing_behind`, `tower_contract::a_future_that_is_dropped_before_the_decision_reports_none` |
//! | R111 | `secrecy::an_outcome_shows_nothing_of_the_request_that_could_be_a_credential`, `secrecy::nothing_secret_is_logged_in_any_case`, `secrecy::a_hostile_id_is_escaped_and_cut` |
//! | R112 | `rfc9110::rfc9110_11_6_2_authorization_is_marked_sensitive_and_nothing_else_is`, `secrecy::an_outcome_shows_nothing_of_the_request_that_could_be_a_credential` |
//! | R113 | `secrecy::an_event_tells_method_outcome_reason_and_id`, `secrecy::a_request_that_is_dropped_is_not_logged`, `settings::raw_basic_reports_the_reason_of_the_reading_that_matched`, `settings::map_error_response_may_change_the_answer_and_not_the_decision` and more |
//! | R114 | `cases::every_case_has_its_whole_answer`, `rfc9110::rfc9440_4_certificate_headers_authenticate_nobody` |
//! | R115 | `cases::every_case_has_its_whole_answer`, `rfc9110::rfc9440_4_certificate_headers_authenticate_nobody` |
//! | R116 | `rfc7523::rfc7523_3_the_audience_never_comes_from_the_request`, `rfc9110::rfc9440_4_certificate_headers_authenticate_nobody` |
//! | R117 | `tower_contract::readiness_is_that_of_the_inner_service`, `tower_contract::an_error_of_readiness_passes_unchanged`, `tower_contract::the_inner_service_is_called_exactly_once_on_success`, `tower_contract::an_error_of_the_inner_service_passes_unchanged` and more |
//! | R118 | `bodies::a_default_body_is_an_empty_one`, `cases::a_service_keeps_nothing_from_one_request_to_the_next`, `tower_contract::an_inner_service_that_is_not_send_is_served_without_a_runtime` |
//! | R119 | `props::whatever_is_sent_gets_a_well_formed_answer`, `props::whatever_is_sent_gets_an_answer_with_every_setting`, `providers::a_provider_that_panics_is_answered_503_and_the_service_stays_usable` |
//! | R120 | `bodies::the_form_can_be_read_as_a_type_without_polling_the_body` |
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod adding_a_method;
mod auto_traits;
mod bodies;
#[cfg(feature = "cache")]
mod cache;
mod cases;
mod grpc;
#[cfg(feature = "jwt")]
mod jose;
mod mcp_sdk;
mod metadata;
mod providers;
#[cfg(feature = "jwt")]
mod replay;
#[cfg(feature = "redis")]
mod replay_redis;
mod rfc6749;
mod rfc7009_7662;
#[cfg(feature = "jwt")]
mod rfc7523;
mod rfc7591;
mod rfc7617;
mod rfc9110;
mod script;
mod secrecy;
mod secrets_at_rest;
mod served;
mod settings;
mod support;
mod tower_contract;
